"""What is drawn with a finished run's weights afterwards."""

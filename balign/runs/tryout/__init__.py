"""Pictures drawn with a finished run's weights, and the blind vote on them."""

"""What is made of a finished run: report, model card, bundle, reproduction, comparison."""

"""Templates, charts and number formats."""

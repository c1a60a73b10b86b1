"""Do a run: load, check, draw the data, unlearn, evaluate, save."""

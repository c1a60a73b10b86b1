"""Base models: the only floor that knows diffusers, and the only one with a file for each family."""

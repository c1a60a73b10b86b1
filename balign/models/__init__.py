"""Base models: the only floor that knows diffusers, and the only one with a file for each family.

Importing this package or `catalogue` needs no torch; the families do.
"""

"""Attacks on what a finished run erased."""

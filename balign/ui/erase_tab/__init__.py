"""The Erase tab."""

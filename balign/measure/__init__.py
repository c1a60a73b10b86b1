"""Scores by a CLIP model, their intervals, the ledger, and the report of a run."""

"""What came of a run: scores by a CLIP model, and what may be said from them."""

"""Many runs as one table: every method on every model, concept and seed; a cell is a run."""

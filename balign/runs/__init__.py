"""One run: its config and folder, its engine, its estimate, its outcome, and what is tried with it afterwards."""

"""Ways to bring an erased concept back from the weights. They know no model family."""

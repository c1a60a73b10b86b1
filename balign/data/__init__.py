"""Words, prompts and the training images made from them."""

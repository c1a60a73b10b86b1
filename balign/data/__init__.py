"""Words, prompts and the training images made from them; knows base models only by their five verbs."""

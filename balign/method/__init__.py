"""How a concept is forgotten and the rest kept. No file here knows a model family: they see a base model's verbs."""

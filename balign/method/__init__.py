"""How a concept is forgotten and the rest kept, with any base model: no file here names a model family."""

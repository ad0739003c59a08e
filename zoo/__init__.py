"""A model-zoo registry and hub mirror for PyTorch image models."""

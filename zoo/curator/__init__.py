"""Build ``registry.json`` and the layer tables from packages, cited facts and built models."""

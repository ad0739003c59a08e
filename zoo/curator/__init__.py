"""Build ``registry.json`` and the layer tables from torchvision's enums, the cited facts and the built models."""

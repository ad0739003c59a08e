"""What exists: records of architectures and weights, read from ``registry.json`` without torch."""

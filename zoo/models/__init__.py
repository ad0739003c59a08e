"""Architectures that torchvision lacks: one paper, one file, torch and nothing else of ``zoo``."""

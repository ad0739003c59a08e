"""From a record and a file to a ready network."""

from zoo.loader.loading import load_checkpoint, load_model

__all__ = ["load_checkpoint", "load_model"]

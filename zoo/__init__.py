"""A model-zoo registry and hub mirror for PyTorch image models.

>>> import zoo
>>> zoo.list_models("resnet1*", task="classification")
['resnet101', 'resnet152', 'resnet18']
>>> zoo.model_info("resnet18").parameters
11689512

Importing ``zoo`` is instant and free of torch: each name below is looked up in its home when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.catalog.query import list_models, model_info
    from zoo.errors import ZooError
    from zoo.inspector.inspection import inspect_model
    from zoo.loader import load_model
    from zoo.optimizer import optimize
    from zoo.preprocess import transform
    from zoo.weights.download import download

__version__ = "0.1.0"

_HOMES = {
    "ZooError": "zoo.errors",
    "download": "zoo.weights.download",
    "inspect_model": "zoo.inspector.inspection",
    "list_models": "zoo.catalog.query",
    "load_model": "zoo.loader",
    "model_info": "zoo.catalog.query",
    "optimize": "zoo.optimizer",
    "transform": "zoo.preprocess",
}

__all__ = [
    "ZooError",
    "download",
    "inspect_model",
    "list_models",
    "load_model",
    "model_info",
    "optimize",
    "transform",
]


def __getattr__(name: str) -> Any:
    """Look a public name up in its home."""
    if name not in _HOMES:
        raise AttributeError(f"module 'zoo' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names."""
    return [*__all__, "__version__"]

"""A model-zoo registry and hub mirror for PyTorch image models.

>>> import zoo
>>> zoo.list_models("resnet1*", task="classification")
['resnet101', 'resnet152', 'resnet18']
>>> zoo.model_info("resnet18").parameters
11689512

Importing ``zoo`` is instant and free of torch: each name below is looked up in its home when it is
first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.bench.api import bench
    from zoo.cache.api import cached, verify
    from zoo.cache.listing import list_models
    from zoo.catalog.query import model_info
    from zoo.download.api import download
    from zoo.errors import ZooError
    from zoo.evaluator.api import evaluate
    from zoo.formats.checkpoint import scan
    from zoo.images.augment import transforms
    from zoo.images.preprocess import transform
    from zoo.inspector.inspection import inspect_model
    from zoo.loader import load_model
    from zoo.optimizer import optimize
    from zoo.predictor import predict

__version__ = "0.1.0"

_HOMES = {
    "ZooError": "zoo.errors",
    "cached": "zoo.cache.api",
    "download": "zoo.download.api",
    "evaluate": "zoo.evaluator.api",
    "inspect_model": "zoo.inspector.inspection",
    "list_models": "zoo.cache.listing",
    "load_model": "zoo.loader",
    "model_info": "zoo.catalog.query",
    "optimize": "zoo.optimizer",
    "predict": "zoo.predictor",
    "scan": "zoo.formats.checkpoint",
    "transform": "zoo.images.preprocess",
    "transforms": "zoo.images.augment",
    "verify": "zoo.cache.api",
}

_KNOWN_ELSEWHERE = {
    "create_model": "zoo.load_model(name)",
    "get_model": "zoo.load_model(name)",
    "get_model_weights": "zoo.model_info(name).weights",
    "get_weight": "zoo.model_info(name).weights[tag]",
    "get_model_builder": "zoo.load_model(name, weights=None)",
    "create_transform": "zoo.transforms(name)",
    "create_feature_extractor": "zoo.load_model(name, features_only=True)",
    "list_pretrained": "zoo.list_models()",
    "is_model": "name in zoo.list_models()",
    "summary": "zoo.inspect_model(model)",
    "benchmark": "zoo.bench(name)",
}
"""What timm, torchvision and others call things, and what to type here."""

__all__ = [
    "ZooError",
    "bench",
    "cached",
    "download",
    "evaluate",
    "inspect_model",
    "list_models",
    "load_model",
    "model_info",
    "optimize",
    "predict",
    "scan",
    "transform",
    "transforms",
    "verify",
]


def __getattr__(name: str) -> Any:
    """Look a public name up in its home."""
    if name == "bench":
        return import_module("zoo.bench")
    if name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value
        return value
    if name in _KNOWN_ELSEWHERE:
        from zoo.errors import ForeignNameError

        raise ForeignNameError(name, _KNOWN_ELSEWHERE[name])
    raise AttributeError(f"module 'zoo' has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the public names."""
    return [*__all__, "__version__"]

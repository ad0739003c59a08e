"""Measure models: what a case is, one run of it, a session of many, and what the values say.

The package can be called: ``zoo.bench("resnet18")`` is :func:`zoo.bench.api.bench`.
"""

import sys
from types import ModuleType
from typing import Any


class _CallableModule(ModuleType):
    """A package that does what its main function does: a function of its name would hide it."""

    def __call__(self, *models: str, **options: Any) -> Any:
        """Measure models; see :func:`zoo.bench.api.bench`."""
        from zoo.bench.api import bench

        return bench(*models, **options)


sys.modules[__name__].__class__ = _CallableModule

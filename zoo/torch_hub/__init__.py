"""Repositories of torch.hub: at a commit, verified, run only after a decision that is written down.

In reading order: :mod:`~zoo.torch_hub.decisions` (what was decided, by commit),
:mod:`~zoo.torch_hub.resolving` (which commit is meant), :mod:`~zoo.torch_hub.keeping` (archives,
and what is unpacked of them), :mod:`~zoo.torch_hub.reading` (what a ``hubconf.py`` offers, without
running it), :mod:`~zoo.torch_hub.loading` (the one place that runs it).
"""

from __future__ import annotations

from zoo.torch_hub.loading import load, prepare

__all__ = ["load", "prepare"]

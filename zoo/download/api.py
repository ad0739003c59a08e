"""Download the weights of models by name."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

from zoo.catalog.resolver import resolve
from zoo.download import events, fetcher
from zoo.download.options import FetchOptions
from zoo.download.progress import progress_bars

if TYPE_CHECKING:
    from pathlib import Path


def download(
    *names: str,
    mirrors: tuple[str, ...] = (),
    progress: bool = True,
) -> list[Path]:
    """Bring weights into torch's cache, verified; what is there and whole is not fetched again.

    Args:
        names: ``"resnet18"`` for a model's default weights, ``"resnet50:imagenet1k_v1"`` for
            particular ones.
        mirrors: Base addresses of mirrors, tried in this order before the publisher.
        progress: Draw progress bars on stderr.

    Returns:
        Where each file lies, in the order of the names.

    Raises:
        UnknownNameError: No such model or weights.
        FetchError: No source gave the right bytes.

    >>> import zoo
    >>> [path.suffix for path in zoo.download("lenet5")]
    ['.safetensors']
    """
    files = [file for name in names for file in resolve(name)[1].files]
    options = FetchOptions(mirrors=mirrors)
    with progress_bars() if progress else nullcontext(events.ignore) as listener:
        return [
            fetched.path for fetched in fetcher.fetch_all(files, options=options, listener=listener)
        ]

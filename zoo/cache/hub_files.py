"""huggingface_hub's cache as a place for weights.

Where a file of a repository lies, without importing its library.

::

    $HF_HOME/hub/models--timm--resnet18.a1_in1k/
        refs/main                   the commit that a branch meant
        snapshots/<commit>/<path>   a link into blobs/, or a plain file
"""

from __future__ import annotations

import os
from pathlib import Path

from zoo.config import expanded, user_folder
from zoo.hashes import is_commit

_LONGEST_REF_BYTES = 100


def default_folder() -> Path:
    """Return where huggingface_hub keeps its cache, without importing it."""
    hub = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")
    if hub:
        return expanded(os.path.expandvars(hub))
    return home_folder() / "hub"


def home_folder() -> Path:
    """Return where programs of Hugging Face keep all that is theirs."""
    usual = user_folder("cache") / "huggingface"
    home = os.environ.get("HF_HOME") or str(usual)
    return expanded(os.path.expandvars(home))


def folder_name(repository: str) -> str:
    """Name the folder of a repository of models.

    >>> folder_name("timm/resnet18.a1_in1k")
    'models--timm--resnet18.a1_in1k'
    """
    joined = repository.replace("/", "--")
    return f"models--{joined}"


def model_folder(
    repository: str,
    folder: Path | None = None,
) -> Path:
    """Return the folder in which the cache keeps a repository of models."""
    return (folder or default_folder()) / folder_name(repository)


def cached_repositories(folder: Path | None = None) -> list[str]:
    """List the repositories of models that the cache keeps something of."""
    try:
        names = [path.name for path in (folder or default_folder()).iterdir()]
    except OSError:
        return []
    found = [name.split("--", 2) for name in names if name.startswith("models--")]
    return ["/".join(parts[1:]) for parts in found]


def commit_of(
    repository: str,
    revision: str | None,
    folder: Path | None = None,
) -> str | None:
    """Find the commit that a revision means, as far as the cache knows.

    ``None`` stands for ``main``.
    """
    if is_commit(revision):
        return revision
    name = revision or "main"
    if ".." in Path(name).parts:
        return None
    ref = model_folder(repository, folder) / "refs" / name
    try:
        with ref.open("rb") as stream:
            text = stream.read(_LONGEST_REF_BYTES).decode("ascii", "replace").strip()
    except OSError:
        return None
    if is_commit(text):
        return text
    return None


def snapshot_path(
    repository: str,
    commit: str,
    path: str,
    folder: Path | None = None,
) -> Path:
    """Return where a file of a commit lies, whether or not it is there."""
    return model_folder(repository, folder) / "snapshots" / commit / path


def find_path(
    repository: str,
    path: str,
    revision: str | None = None,
    folder: Path | None = None,
) -> Path | None:
    """Find a cached file of a repository; ``None`` if that revision's is not there."""
    commit = commit_of(repository, revision, folder)
    if commit is None:
        return None
    place = snapshot_path(repository, commit, path, folder)
    if place.is_file():
        return place
    return None

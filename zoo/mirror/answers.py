"""What the mirror says in the words of GitHub and Hugging Face. Pure: from catalogue entries to JSON and headers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Any

from zoo.mirror import layout
from zoo.mirror.catalogue import Catalogue, Item, StoredFile
from zoo.mirror.remotes import RemoteFile, RemoteItem

TREE_PAGE = 1000
AnyItem = Item | RemoteItem
AnyFile = StoredFile | RemoteFile
_SHORT_COMMIT = re.compile(r"[0-9a-f]{4,39}")


class Ambiguous(Enum):
    """Why a ref names no single commit."""

    NONE = "no such ref"
    BRANCH_AND_TAG = "a branch and a tag"


# -- GitHub ----------------------------------------------------------------------------------------------------------


def commit_of(catalogue: Catalogue, name: str, ref: str) -> Item | Ambiguous:
    """Find what a ref names, as GitHub does.

    A bare name that is a branch and a tag of different commits is ambiguous (GitHub answers 300); a short commit that
    fits two commits is none.
    """
    versions = catalogue.versions("repository", name)
    exact = ref.removeprefix("refs/")
    if exact.startswith(("heads/", "tags/")):
        found = [item for item in versions if exact in item.refs]
    else:
        found = [item for item in versions if {f"heads/{ref}", f"tags/{ref}"} & set(item.refs)]
        if len(found) > 1:
            return Ambiguous.BRANCH_AND_TAG
    if not found:
        is_short = _SHORT_COMMIT.fullmatch(ref) is not None
        found = [v for v in versions if v.revision and (v.revision == ref or (is_short and v.revision.startswith(ref)))]
        if not found and ref == "HEAD":
            found = [item for item in versions if "HEAD" in item.refs]
    return found[0] if len(found) == 1 else Ambiguous.NONE


def ref_list(catalogue: Catalogue, name: str, kind: str, page: int) -> list[dict[str, Any]]:
    """List the known branches or tags; all on the first page, because torch.hub reads every page before it goes on.

    A commit that is held by itself is listed as a branch of that name: torch.hub knows no other way to check a commit.
    """
    if page != 1:
        return []
    listed = []
    for item in catalogue.versions("repository", name):
        names = [ref.removeprefix(f"{kind}/") for ref in item.refs if ref.startswith(f"{kind}/")]
        if kind == "heads" and not any("/" in ref for ref in item.refs):
            names.append(item.revision or "")
        listed += [{"name": ref, "commit": {"sha": item.revision}} for ref in names]
    return listed


def repository_facts(catalogue: Catalogue, name: str) -> dict[str, Any] | None:
    """Describe a repository as far as another mirror asks."""
    versions = catalogue.versions("repository", name)
    if not versions:
        return None
    default = next((item for item in versions if "HEAD" in item.refs), None)
    branches = [ref for ref in (default.refs if default else ()) if ref.startswith("heads/")]
    licence = versions[0].licence
    return {
        "full_name": name,
        "default_branch": branches[0].removeprefix("heads/") if branches else None,
        "license": {"spdx_id": licence} if licence else None,
    }


# -- Hugging Face ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a file list."""

    entries: list[dict[str, Any]]
    next_start: int | None


def model_facts(item: AnyItem) -> dict[str, Any]:
    """Describe a model so that every client from 0.20 to 2.4 is content."""
    return {
        "_id": (item.revision or "")[:24],
        "id": item.name,
        "modelId": item.name,
        "sha": item.revision,
        "private": False,
        "gated": False,
        "disabled": False,
        "downloads": 0,
        "likes": 0,
        "tags": [f"license:{item.licence}"] if item.licence else [],
        "lastModified": "1970-01-01T00:00:00.000Z",
        "siblings": [{"rfilename": path} for path in model_paths(item)],
    }


def model_paths(item: AnyItem) -> dict[str, AnyFile]:
    """List a model's files by their path in it."""
    prefix = layout.huggingface_path(item.name, item.revision or "", "")
    files: tuple[AnyFile, ...] = item.files
    return {file.path.removeprefix(prefix): file for file in sorted(files, key=lambda file: file.path)}


def model_tree(item: AnyItem, folder: str, *, is_recursive: bool, start: int) -> Page | None:
    """List a folder of a model; ``None`` if there is no such folder. ``xetHash`` is never there: it leads elsewhere."""
    prefix = f"{folder}/" if folder else ""
    inside = {path: file for path, file in model_paths(item).items() if path.startswith(prefix)}
    if not inside and folder:
        return None
    entries: dict[str, dict[str, Any]] = {}
    for path, file in inside.items():
        steps = path.removeprefix(prefix).split("/")
        for depth in range(1, len(steps)):
            if is_recursive or depth == 1:
                place = prefix + "/".join(steps[:depth])
                entries.setdefault(place, {"type": "directory", "oid": "0" * 40, "size": 0, "path": place})
        if is_recursive or len(steps) == 1:
            entries[path] = _tree_entry(path, file)
    every = list(entries.values())
    end = start + TREE_PAGE
    return Page(every[start:end], end if end < len(every) else None)


def _tree_entry(path: str, file: AnyFile) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": "file", "oid": file.git_oid, "size": file.size_bytes, "path": path}
    if file.git_oid is None:
        entry["oid"] = (file.sha256 or "")[:40]  # the pointer's own digest, which no client reads
        entry["lfs"] = {"oid": file.sha256, "size": file.size_bytes, "pointerSize": 134}
    return entry


def etag_of(file: AnyFile) -> str | None:
    """Return the validator of a file: its digest, so that it changes exactly when the bytes do; if that is known."""
    digest = file.git_oid or file.sha256 or ""
    return f'"{digest}"' if len(digest) in (40, 64) else None


def model_file_headers(item: AnyItem, file: AnyFile) -> dict[str, str]:
    """Say what Hugging Face's clients need to know of a file; without the Xet headers they fall back to plain HTTP."""
    headers = {"X-Repo-Commit": item.revision or ""}
    if file.git_oid is None:
        headers |= {"X-Linked-Etag": f'"{file.sha256}"', "X-Linked-Size": str(file.size_bytes)}
    return headers

"""What is known of a Hugging Face model, in the Hub's own JSON and headers. Pure."""

from __future__ import annotations

from typing import Any

from zoo.hashes import is_commit
from zoo.mirror import layout
from zoo.mirror.index import Item, StoredFile
from zoo.mirror.published import RemoteFile, RemoteItem

TREE_PAGE = 1000
POINTER_BYTES = 134
LONG_AGO = "1970-01-01T00:00:00.000Z"
AnyItem = Item | RemoteItem
AnyFile = StoredFile | RemoteFile
Json = dict[str, Any]


def paths(item: AnyItem) -> dict[str, AnyFile]:
    """List a model's files by their path in it."""
    prefix = layout.huggingface_path(item.name, item.revision or "", "")
    files: tuple[AnyFile, ...] = item.files
    by_path: dict[str, AnyFile] = {}
    for file in sorted(files, key=lambda file: file.path):
        inner = file.path.removeprefix(prefix)
        by_path[inner] = file
    return by_path


def stored_paths(item: Item) -> dict[str, StoredFile]:
    """List the files of a model that is held by their path in it."""
    prefix = layout.huggingface_path(item.name, item.revision or "", "")
    return {file.path.removeprefix(prefix): file for file in item.files}


def cached_tree(item: Item) -> Json:
    """Write the file list as huggingface_hub's cache has it.

    That is without Xet hashes, which would need the network.
    """
    files: Json = {}
    for path, file in paths(item).items():
        entry: Json = {"size": file.size_bytes, "blob_id": _blob_id(file)}
        if file.git_oid is None:
            entry["lfs_sha256"] = file.sha256
            entry["lfs_size"] = file.size_bytes
        files[path] = entry
    return {"format_version": 1, "files": files}


def facts(
    item: AnyItem,
    *,
    has_files: bool = True,
    has_sizes: bool = False,
) -> Json:
    """Describe a model so that every client from 0.20 to 2.4 is content.

    Args:
        item: The model.
        has_files: Whether its files are listed.
        has_sizes: Whether their lengths and digests are, too.
    """
    described: Json = {
        "_id": (item.revision or "")[:24],
        "id": item.name,
        "modelId": item.name,
        "sha": item.revision,
        "private": False,
        "gated": "manual" if item.is_gated else False,
        "disabled": False,
        "downloads": 0,
        "likes": 0,
        "tags": [f"license:{item.license}"] if item.license else [],
        "createdAt": date(item),
        "lastModified": date(item),
    }
    if "/" in item.name:
        described["author"] = item.name.partition("/")[0]
    if item.license:
        described["cardData"] = {"license": item.license}
    if has_files:
        described["siblings"] = [
            _sibling(path, file, has_size=has_sizes) for path, file in paths(item).items()
        ]
    return described


def _sibling(
    path: str,
    file: AnyFile,
    *,
    has_size: bool,
) -> Json:
    sibling: Json = {"rfilename": path}
    if has_size:
        sibling |= {"size": file.size_bytes, "blobId": _blob_id(file)}
    if has_size and file.git_oid is None:
        sibling["lfs"] = {
            "sha256": file.sha256,
            "size": file.size_bytes,
            "pointerSize": POINTER_BYTES,
        }
    return sibling


def _blob_id(file: AnyFile) -> str:
    """Return git's digest.

    For a large file that of its pointer, which no client reads, is made up.
    """
    if file.git_oid:
        return file.git_oid

    digest = file.sha256 or ""
    return digest[:40]


def date(item: AnyItem) -> str:
    """Return when the newest of an item's files came here.

    It stands in place of the commit's own date, which is not known.
    """
    if isinstance(item, RemoteItem) or not item.files:
        return LONG_AGO
    newest = max(file.fetched_at for file in item.files)
    return newest.replace("Z", ".000Z")


def commit(item: AnyItem) -> Json:
    """Describe the commit that is held."""
    return {
        "id": item.revision,
        "title": f"commit {(item.revision or '')[:7]}",
        "message": "",
        "date": date(item),
        "authors": [],
    }


def refs(versions: list[Item]) -> dict[str, list[Json]]:
    """List the names of all commits that are held; that one of them is a tag is not known."""
    branches = []
    for item in versions:
        names = [name for name in item.refs if not is_commit(name)]
        branches += [
            {"name": name, "ref": f"refs/heads/{name}", "targetCommit": item.revision}
            for name in names
        ]
    return {"branches": branches, "converts": [], "tags": [], "pullRequests": []}


def tree(
    item: AnyItem,
    folder: str,
    *,
    is_recursive: bool,
    is_expanded: bool = False,
) -> list[Json] | None:
    """List a folder of a model; ``None`` if there is no such folder.

    ``xetHash`` is never there: it leads elsewhere.
    """
    prefix = f"{folder}/" if folder else ""
    files = paths(item)
    inside = {path: file for path, file in files.items() if path.startswith(prefix)}
    if not inside and folder:
        return None

    entries: dict[str, Json] = {}
    for path, file in inside.items():
        inner = path.removeprefix(prefix)
        steps = inner.split("/")
        deepest = len(steps)
        if not is_recursive:
            deepest = min(deepest, 2)

        for depth in range(1, deepest):
            below = "/".join(steps[:depth])
            place = f"{prefix}{below}"
            entries.setdefault(place, _folder_entry(place))
        if is_recursive or len(steps) == 1:
            entries[path] = _file_entry(path, file)

    if is_expanded:
        last = commit(item)
        summary = {"id": last["id"], "title": last["title"], "date": last["date"]}
        for entry in entries.values():
            entry["lastCommit"] = summary
    return list(entries.values())


def _folder_entry(path: str) -> Json:
    return {"type": "directory", "oid": "0" * 40, "size": 0, "path": path}


def _file_entry(
    path: str,
    file: AnyFile,
) -> Json:
    entry: Json = {
        "type": "file",
        "oid": _blob_id(file),
        "size": file.size_bytes,
        "path": path,
    }
    if file.git_oid is None:
        entry["lfs"] = {
            "oid": file.sha256,
            "size": file.size_bytes,
            "pointerSize": POINTER_BYTES,
        }
    return entry


def etag(file: AnyFile) -> str | None:
    """Return the validator of a file, if its digest is known.

    It is the digest, so that it changes exactly when the bytes do.
    """
    digest = file.git_oid or file.sha256 or ""
    if len(digest) not in (40, 64):
        return None
    return f'"{digest}"'


def file_headers(
    item: AnyItem,
    file: AnyFile,
) -> dict[str, str]:
    """Say what clients need to know of a file.

    Without the Xet headers they fall back to plain HTTP.
    """
    headers = {"X-Repo-Commit": item.revision or ""}
    if file.git_oid is None:
        headers |= {"X-Linked-Etag": f'"{file.sha256}"', "X-Linked-Size": str(file.size_bytes)}
    return headers


def pointer(file: AnyFile) -> str:
    """Write what git holds in place of a large file."""
    return (
        "version https://git-lfs.github.com/spec/v1\n"
        f"oid sha256:{file.sha256}\n"
        f"size {file.size_bytes}\n"
    )

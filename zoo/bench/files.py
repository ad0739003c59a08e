"""Result files: a file of results, or a folder with a file for each cell. Written whole, read strictly."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from zoo import whole_files
from zoo.bench.records import SCHEMA_VERSION, Result, ResultFile
from zoo.catalog.decoding import decode
from zoo.errors import RegistryError, ResultFileError, UsageError, WriteError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def read(path: Path) -> list[Result]:
    """Read the results of a file, or of all files of a folder.

    Raises:
        ResultFileError: It is missing, not JSON, of another version, or breaks the schema.
    """
    if not path.is_dir():
        return _read_file(path)
    files = sorted(path.glob("*.json"))
    if not files:
        raise ResultFileError(str(path), "the folder has no .json files")
    return [result for file in files for result in _read_file(file)]


def _read_file(path: Path) -> list[Result]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ResultFileError(str(path), f"it cannot be read ({error.strerror})") from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise ResultFileError(str(path), f"it cannot be read ({error})") from error
    except json.JSONDecodeError as error:
        raise ResultFileError(str(path), f"not JSON: {error.msg} in line {error.lineno}") from error
    version = content.get("schema_version") if isinstance(content, dict) else None
    if version != SCHEMA_VERSION:
        fault = f"expected schema version {SCHEMA_VERSION}, got {version!r:.40}"
        raise ResultFileError(str(path), fault)
    try:
        return list(decode(ResultFile, content).results)
    except RegistryError as error:
        raise ResultFileError(str(path), f"at {error.json_path}: {error.fault}") from error


def to_json(results: Iterable[Result]) -> dict[str, Any]:
    """Turn results into what a result file holds."""
    return asdict(ResultFile(SCHEMA_VERSION, tuple(results)))


class Store:
    """Where a session keeps its results: a file ending in ``.json``, or a folder with one file for each cell."""

    def __init__(self, path: Path | None) -> None:
        """Keep results at a path, or only in memory; the folder is made before anything is measured.

        Raises:
            WriteError: It cannot be made.
        """
        self.path = path
        if path is not None:
            try:
                _folder(path).mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise WriteError(str(path), error.strerror or str(error)) from error
        self.results: dict[str, Result] = {}

    def resume(self) -> None:
        """Take up the results that lie there, if any; what failed is tried again."""
        if self.path is not None and self._holds_results():
            self.results = {result.cell.label: replace(result, failure=None) for result in read(self.path)}

    def begin(self) -> None:
        """Begin without results.

        Raises:
            UsageError: Some lie there, and would be lost.
        """
        if self._holds_results():
            raise UsageError(f"{self.path} holds results: go on from there with --resume, or name another --output")

    def _holds_results(self) -> bool:
        path = self.path
        return path is not None and (path.is_file() or any(path.glob("*.json")))

    def put(self, result: Result) -> None:
        """Keep the result of a cell in place of the one before; on disk it is whole or as it was."""
        self.results[result.cell.label] = result
        if self.path is None:
            return
        if _folder(self.path) != self.path:
            _write(self.path, self.results.values())
        else:
            _write(self.path / f"{result.cell.label}.json", [result])


def _folder(path: Path) -> Path:
    """Tell where the files of a store lie."""
    return path.parent if path.suffix == ".json" else path


def _write(path: Path, results: Iterable[Result]) -> None:
    whole_files.write_text(path, json.dumps(to_json(results)) + "\n")

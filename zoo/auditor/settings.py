"""What a project says about its audits in its ``pyproject.toml``.

::

[tool.zoo.audit]
exclude = ["tests/programs", "*_old.py"]
ignore = ["unpinned-weights"]
"""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

from zoo.auditor.audit import Selection
from zoo.documents import read_regular_file
from zoo.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

LARGEST_BYTES = 4 << 20
FILE_NAME = "pyproject.toml"


def selection(
    path: Path,
    excluded: Iterable[str] = (),
    ignored: Iterable[str] = (),
) -> Selection:
    """Join what a project and the command line leave out.

    Args:
        path: What is audited; the nearest ``pyproject.toml`` from there up counts.
        excluded: Patterns of the command line.
        ignored: Rules of the command line.

    Raises:
        ConfigError: The table has another form.
    """
    table = _table(path.absolute())
    theirs_excluded = table.get("exclude", ())
    theirs_ignored = table.get("ignore", ())
    return Selection(
        (*theirs_excluded, *excluded),
        (*theirs_ignored, *ignored),
    )


def _table(path: Path) -> dict[str, list[str]]:
    """Read the table of the nearest ``pyproject.toml``."""
    found = _nearest(path)
    if found is None:
        return {}

    try:
        data = read_regular_file(found, LARGEST_BYTES)
        content = tomllib.loads(data.decode("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(str(found), f"expected a TOML file, got: {error}") from error

    tool: Any = content.get("tool", {})
    ours: Any = tool.get("zoo", {})
    table: Any = ours.get("audit", {})
    if not _is_sound(table):
        fault = "[tool.zoo.audit] takes exclude and ignore, each a list of texts"
        raise ConfigError(str(found), fault)
    checked: dict[str, list[str]] = table
    return checked


def _nearest(path: Path) -> Path | None:
    """Find the ``pyproject.toml`` of a folder, or of the nearest one above it."""
    for folder in (path, *path.parents):
        file = folder / FILE_NAME
        if file.is_file():
            return file
    return None


def _is_sound(table: object) -> bool:
    if not isinstance(table, dict):
        return False
    is_known = {"exclude", "ignore"}.issuperset(table)
    return is_known and all(_is_list_of_texts(value) for value in table.values())


def _is_list_of_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)

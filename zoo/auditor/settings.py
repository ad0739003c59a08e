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
    return Selection(
        (*table.get("exclude", ()), *excluded),
        (*table.get("ignore", ()), *ignored),
    )


def _table(path: Path) -> dict[str, list[str]]:
    folders = [path, *path.parents]
    files = (folder / FILE_NAME for folder in folders)
    found = next((file for file in files if file.is_file()), None)
    if found is None:
        return {}
    try:
        content = tomllib.loads(read_regular_file(found, LARGEST_BYTES).decode("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(str(found), f"expected a TOML file, got: {error}") from error

    tool: Any = content.get("tool", {})
    ours: Any = tool.get("zoo", {})
    table: Any = ours.get("audit", {})
    known = {"exclude", "ignore"}
    is_table = isinstance(table, dict) and known >= table.keys()
    if not is_table or not all(_is_list_of_texts(value) for value in table.values()):
        fault = "[tool.zoo.audit] takes exclude and ignore, each a list of texts"
        raise ConfigError(str(found), fault)
    checked: dict[str, list[str]] = table
    return checked


def _is_list_of_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)

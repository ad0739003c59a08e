"""Audit a project: find its files, read them, judge what they would fetch."""

from __future__ import annotations

import fnmatch
import io
import os
import tokenize
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.auditor import configs, notebooks, python_code, rules
from zoo.auditor.findings import Finding, Unread, Use
from zoo.auditor.python_code import Source, SourceFaultError
from zoo.documents import read_regular_file
from zoo.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from zoo.auditor.knowledge import Knowledge

PYTHON_SUFFIXES = (".py", ".pyw")
NOTEBOOK_SUFFIX = ".ipynb"
LARGEST_PYTHON_BYTES = 8 << 20
LARGEST_NOTEBOOK_BYTES = 256 << 20
LARGEST_CONFIG_BYTES = 1 << 20
"""A longer one is data, not something that people write."""
SKIPPED_FOLDERS = frozenset(
    {"__pycache__", "build", "dist", "node_modules", "site-packages", "site", "venv", "env"}
)
GENERATED_CONFIGS = frozenset(
    {"package.json", "package-lock.json", "composer.lock", "tsconfig.json"}
)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which files and which rules."""

    excluded: tuple[str, ...] = ()
    """Patterns of paths below the audited folder: ``tests/programs``, ``*_old.py``."""
    ignored: tuple[str, ...] = ()
    """Names of rules."""


@dataclass(frozen=True, slots=True)
class Audit:
    """What was found."""

    files: int
    uses: tuple[Use, ...]
    findings: tuple[Finding, ...]
    unread: tuple[Unread, ...]


def audit(
    paths: Sequence[Path],
    knowledge: Knowledge,
    selection: Selection = Selection(),
) -> Audit:
    """Read files and folders, and judge what stands in them. Nothing of them is run.

    Args:
        paths: Python sources, notebooks, configurations, or folders that hold some.
        knowledge: The registry, the lock file, a mirror.
        selection: What to leave out.

    Raises:
        UsageError: A path does not exist, or no rule has a name that is to be ignored.
    """
    _check(paths, selection)
    uses: list[Use] = []
    unread: list[Unread] = []
    count = 0
    for path, shown in find_files(paths, selection.excluded):
        count += 1
        try:
            found, faults = read_file(path, shown)
        except (OSError, SourceFaultError) as error:
            unread.append(Unread(shown, str(error)))
            continue
        uses += found
        unread += [Unread(shown, fault) for fault in faults]

    findings: list[Finding] = []
    for use in uses:
        judged = rules.judge(use, knowledge)
        findings += [one for one in judged if one.rule.name not in selection.ignored]

    return Audit(
        files=count,
        uses=tuple(uses),
        findings=tuple(findings),
        unread=tuple(unread),
    )


def find_files(paths: Iterable[Path], excluded: Sequence[str] = ()) -> Iterator[tuple[Path, str]]:
    """Yield every file to read with the name to show for it, sorted within each folder.

    Hidden folders, virtual environments, build outputs and installed packages are passed over; a
    file that is named is read, whatever its folder.
    """
    seen: set[Path] = set()
    for path in paths:
        if path.is_dir():
            pairs = _below(path, excluded)
        else:
            name = _shown(path, path.parent)
            pairs = iter([(path, name)])
        for file, shown in pairs:
            if file not in seen:
                seen.add(file)
                yield file, shown


def read_file(path: Path, shown: str) -> tuple[list[Use], list[str]]:
    """List what one file would fetch, and the faults of its parts that cannot be read.

    Raises:
        OSError: It cannot be read, or is too long.
        SourceFaultError: It is not what its name says.
    """
    text = read_text(path)

    if path.suffix == NOTEBOOK_SUFFIX:
        return notebooks.read(text, shown)
    if path.suffix in configs.SUFFIXES:
        return configs.read(text, shown), []
    source = Source(text, shown)
    return python_code.read(source), []


def read_text(path: Path) -> str:
    """Read a source as Python does: UTF-8, or the encoding that it declares.

    Raises:
        OSError: It cannot be read, or is too long.
        SourceFaultError: It is no text.
    """
    data = read_regular_file(path, _limit(path))
    try:
        encoding = "utf-8-sig"
        if path.suffix in PYTHON_SUFFIXES:
            stream = io.BytesIO(data)
            encoding, _ = tokenize.detect_encoding(stream.readline)
        text = data.decode(encoding)
    except (SyntaxError, UnicodeDecodeError, LookupError) as error:
        raise SourceFaultError(f"no text: {error}") from error

    without_windows = text.replace("\r\n", "\n")
    return without_windows.replace("\r", "\n")


def is_audited(name: str) -> bool:
    """Tell by its name whether a file is one to read."""
    if name.endswith(configs.SUFFIXES):
        return name not in GENERATED_CONFIGS

    is_notebook = name.endswith(NOTEBOOK_SUFFIX)
    return is_notebook or name.endswith(PYTHON_SUFFIXES)


def _below(folder: Path, excluded: Sequence[str]) -> Iterator[tuple[Path, str]]:
    for root, folders, names in os.walk(folder):
        here = Path(root)
        entered = [name for name in folders if _is_entered(here / name, folder, excluded)]
        folders[:] = sorted(entered)  # os.walk goes into what is left, in this order

        audited = [name for name in names if is_audited(name)]
        for name in sorted(audited):
            path = here / name
            shown = _shown(path, folder)
            is_left_out = _is_data(path) or _is_excluded(shown, excluded)
            if not is_left_out:
                yield path, shown


def _is_data(path: Path) -> bool:
    """Tell whether a file has the ending of a configuration and the length of data."""
    is_config = path.name.endswith(configs.SUFFIXES)
    return is_config and _size(path) > LARGEST_CONFIG_BYTES


def _is_entered(path: Path, folder: Path, excluded: Sequence[str]) -> bool:
    name = path.name
    if name.startswith(".") or name in SKIPPED_FOLDERS:
        return False

    is_environment = (path / "pyvenv.cfg").exists()
    shown = _shown(path, folder)
    return not is_environment and not _is_excluded(shown, excluded)


def _is_excluded(shown: str, excluded: Sequence[str]) -> bool:
    for pattern in excluded:
        plain = pattern.rstrip("/")
        if fnmatch.fnmatch(shown, plain):
            return True
    return False


def _shown(path: Path, folder: Path) -> str:
    """Write a path as seen from the working folder, else from the folder that is audited."""
    try:
        seen = path.resolve().relative_to(Path.cwd())
    except (ValueError, OSError):
        seen = path.relative_to(folder)
    return seen.as_posix()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _limit(path: Path) -> int:
    if path.suffix == NOTEBOOK_SUFFIX:
        return LARGEST_NOTEBOOK_BYTES
    if path.suffix in configs.SUFFIXES:
        return LARGEST_CONFIG_BYTES
    return LARGEST_PYTHON_BYTES


def _check(paths: Sequence[Path], selection: Selection) -> None:
    for path in paths:
        if not path.exists():
            raise UsageError(f"there is no file or folder {path}: name what is to be audited")
    for name in selection.ignored:
        if name not in rules.RULES:
            known = ", ".join(rules.RULES)
            raise UsageError(f"no rule is called {name!r:.80}: --ignore takes one of {known}")

"""Results that people share.

One file with the facts of its machine and a sign-off, and a folder of such files.

A gallery is a folder with a file for each machine and ``index.json``, which lists them for whoever
shows them.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from zoo import atomic
from zoo.bench.comparability import machine_key
from zoo.bench.files import INDEX_NAME, Store, digest_of, read, read_content
from zoo.bench.records import SCHEMA_VERSION, MachineFacts, Result, ResultFile, SignOff
from zoo.errors import UsageError, WriteError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from zoo.bench.records import Environment

GALLERY_VERSION = 1


def sign_off(
    results: Sequence[Result],
    by: str,
    note: str = "",
) -> ResultFile:
    """Make the content of a file to share.

    Args:
        results: Of one machine or several.
        by: Who vouches for them.
        note: What others should know: cooling, power limit, what else ran.

    Raises:
        UsageError: There are no results, or nobody vouches for them.
    """
    if not by.strip():
        raise UsageError("--by takes the name of who vouches for the results")
    if not results:
        raise UsageError(
            'there are no results to export: measure some with "zoo bench NAME --output FOLDER"'
        )
    facts = {machine_key(result.environment): result.environment for result in results}
    machines = [_describe(key, environment) for key, environment in facts.items()]
    signed = SignOff(
        by=by.strip(),
        note=note.strip(),
        exported_at=datetime.now(UTC).isoformat(timespec="seconds"),
        machines=tuple(machines),
        sha256=digest_of(results),
    )
    return ResultFile(SCHEMA_VERSION, tuple(results), signed)


def _describe(
    key: str,
    environment: Environment,
) -> MachineFacts:
    device = environment.device
    return MachineFacts(
        key=key,
        device=device.title,
        driver=device.driver,
        memory_bytes=device.memory_bytes,
        cpu=environment.cpu,
        cpus=environment.cpus,
        system=environment.system,
    )


def export(
    results: Sequence[Result],
    path: Path,
    by: str,
    note: str = "",
) -> list[Path]:
    """Write results to share: to a ``.json`` file, or a file for each machine into a gallery.

    A gallery loses nothing: what the same person signed off there before stays beside it, and
    another's file of the same kind of machine is left alone.

    Returns:
        The files that were written.

    Raises:
        UsageError: See :func:`sign_off`.
        ResultFileError: A file of the gallery is damaged.
        WriteError: The file system refuses.
    """
    if path.suffix == ".json":
        _write(path, asdict(sign_off(results, by, note)))
        return [path]

    groups: dict[str, list[Result]] = {}
    for result in results:
        key = machine_key(result.environment)
        alike = groups.setdefault(key, [])
        alike.append(result)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(str(path), error.strerror or str(error)) from error
    written: list[Path] = []
    for key, alike in groups.items():
        file, before = _place_of(path, key, by)
        measured = {result.case.label for result in alike}
        kept = [result for result in before if result.case.label not in measured]
        signed = sign_off([*kept, *alike], by, note)
        _write(file, asdict(signed))
        written.append(file)
    renew_index(path)
    return written


def _place_of(
    gallery: Path,
    key: str,
    by: str,
) -> tuple[Path, Sequence[Result]]:
    """Find somebody's file of a kind of machine, and what it holds already."""
    file = gallery / f"{key}.json"
    number = 1
    while file.exists():
        content = read_content(file)
        signed = content.sign_off
        is_own = signed is not None and signed.by == by.strip()
        if is_own:
            return file, content.results

        number += 1
        file = gallery / f"{key}-{number}.json"
    return file, ()


def renew_index(gallery: Path) -> None:
    """List the signed files of a gallery in its ``index.json``.

    Raises:
        ResultFileError: A file of it is damaged.
    """
    entries: list[dict[str, Any]] = []
    for file in sorted(gallery.glob("*.json")):
        if file.name == INDEX_NAME:
            continue

        content = read_content(file)
        if content.sign_off is not None:
            entries.append(_entry_of(file, content.sign_off, content.results))

    index = {"gallery_version": GALLERY_VERSION, "files": entries}
    _write(gallery / INDEX_NAME, index)


def _entry_of(
    file: Path,
    signed: SignOff,
    results: Sequence[Result],
) -> dict[str, Any]:
    """Describe a signed file for the index."""
    models = {result.case.model for result in results}
    return {
        "file": file.name,
        "sha256": signed.sha256,
        "by": signed.by,
        "note": signed.note,
        "exported_at": signed.exported_at,
        "results": len(results),
        "models": sorted(models),
        "machines": [asdict(machine) for machine in signed.machines],
    }


def import_results(
    paths: Sequence[Path],
    folder: Path,
) -> list[Result]:
    """Add results of others to a folder, apart by machine; what was signed off must be that.

    Raises:
        ResultFileError: A file is damaged, or was changed since it was signed off.
    """
    taken: list[Result] = []
    for path in paths:
        if path.name == INDEX_NAME:
            continue  # of a gallery, by a pattern such as gallery/*.json
        results = read(path)
        for result in results:
            store = Store(folder / machine_key(result.environment))
            store.put(result)
        taken += results
    return taken


def _write(
    path: Path,
    values: dict[str, Any],
) -> None:
    atomic.write_text(path, json.dumps(values) + "\n")

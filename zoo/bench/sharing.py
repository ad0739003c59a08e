"""Results that people share.

One file with the facts of its machine and a sign-off, and a folder of such files.

A gallery is a folder with a file for each machine and ``index.json``, which lists them for whoever
shows them: :func:`read_gallery` reads exactly those, as :mod:`zoo.site` does.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from zoo import atomic
from zoo.bench.comparability import machine_key
from zoo.bench.files import INDEX_NAME, LARGEST_BYTES, Store, digest_of, read, read_content
from zoo.bench.records import SCHEMA_VERSION, MachineFacts, Result, ResultFile, SignOff
from zoo.catalog.file_names import name_fault
from zoo.documents import parse_document, read_regular_file
from zoo.errors import BenchError, DocumentError, UsageError, WriteError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from zoo.bench.records import Environment

GALLERY_VERSION = 1


@dataclass(frozen=True, slots=True)
class GalleryFile:
    """What the index of a gallery says of one of its files."""

    file: str
    """Its name."""
    sha256: str
    """Digest that its sign-off vouches for."""
    by: str
    note: str
    exported_at: str
    results: int
    models: tuple[str, ...]
    machines: tuple[MachineFacts, ...]


@dataclass(frozen=True, slots=True)
class GalleryIndex:
    """The content of a gallery's ``index.json``."""

    gallery_version: int
    files: tuple[GalleryFile, ...]


@dataclass(frozen=True, slots=True)
class Shared:
    """Results of one machine that somebody vouches for."""

    machine: MachineFacts
    """As the results themselves have it."""
    sign_off: SignOff
    results: tuple[Result, ...]


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

    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(str(path), error.strerror or str(error)) from error
    written: list[Path] = []
    groups = _by_machine(results)
    for key, alike in groups.items():
        file, before = _place_of(path, key, by)
        measured = {result.case.label for result in alike}
        kept = [result for result in before if result.case.label not in measured]
        signed = sign_off([*kept, *alike], by, note)
        _write(file, asdict(signed))
        written.append(file)
    renew_index(path)
    return written


def _by_machine(results: Sequence[Result]) -> dict[str, list[Result]]:
    groups: dict[str, list[Result]] = {}
    for result in results:
        key = machine_key(result.environment)
        alike = groups.setdefault(key, [])
        alike.append(result)
    return groups


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
    entries: list[GalleryFile] = []
    for file in sorted(gallery.glob("*.json")):
        if file.name == INDEX_NAME:
            continue

        content = read_content(file)
        if content.sign_off is not None:
            entries.append(_entry_of(file, content.sign_off, content.results))

    index = GalleryIndex(GALLERY_VERSION, tuple(entries))
    _write(gallery / INDEX_NAME, asdict(index))


def _entry_of(
    file: Path,
    signed: SignOff,
    results: Sequence[Result],
) -> GalleryFile:
    """Describe a signed file for the index."""
    models = {result.case.model for result in results}
    return GalleryFile(
        file=file.name,
        sha256=signed.sha256,
        by=signed.by,
        note=signed.note,
        exported_at=signed.exported_at,
        results=len(results),
        models=tuple(sorted(models)),
        machines=signed.machines,
    )


def read_gallery(gallery: Path) -> list[Shared]:
    """Read what the index of a gallery lists, apart by machine, in its order.

    Raises:
        BenchError: The index is missing, damaged, empty, or says of a file what that does not say.
        ResultFileError: A file is missing, damaged, or was changed since it was signed off.
    """
    shared: list[Shared] = []
    for entry in _read_index(gallery):
        file = gallery / entry.file
        content = read_content(file)
        signed = content.sign_off
        is_as_listed = signed is not None and entry == _entry_of(file, signed, content.results)
        if signed is None or not is_as_listed:
            fault = f"{entry.file} is not what {INDEX_NAME} says of it"
            raise _gallery_fault(gallery, fault)

        by_machine = _by_machine(content.results)
        for key, alike in by_machine.items():
            first = alike[0]
            machine = _describe(key, first.environment)
            one = Shared(machine, signed, tuple(alike))
            shared.append(one)
    return shared


def _read_index(gallery: Path) -> Sequence[GalleryFile]:
    path = gallery / INDEX_NAME
    try:
        data = read_regular_file(path, LARGEST_BYTES)
        index = parse_document(data, GalleryIndex, GALLERY_VERSION, "gallery_version")
    except OSError as error:
        fault = f"{INDEX_NAME} cannot be read ({error.strerror})"
        raise _gallery_fault(gallery, fault) from error
    except DocumentError as error:
        fault = f"{INDEX_NAME}: {error}"
        raise _gallery_fault(gallery, fault) from error

    if not index.files:
        raise _gallery_fault(gallery, f"{INDEX_NAME} lists no files")
    for entry in index.files:
        fault_of_name = name_fault(entry.file)
        if fault_of_name is not None:
            fault = f"a file name in {INDEX_NAME}, {entry.file!r:.60}, {fault_of_name}"
            raise _gallery_fault(gallery, fault)
    return index.files


def _gallery_fault(
    gallery: Path,
    fault: str,
) -> BenchError:
    command = f"zoo bench export RESULTS --by NAME --output {gallery}"
    advice = f'"{command}" makes one and renews its index; or get it again from where it came'
    return BenchError(
        fault,
        subject=str(gallery),
        advice=advice,
        opening=f"{gallery} is no gallery that can be shown",
    )


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

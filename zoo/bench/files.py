"""Result files: a file of results, or a folder with a file for each case.

Written whole, read strictly.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from zoo import atomic
from zoo.bench.records import SCHEMA_VERSION, Result, ResultFile
from zoo.cache import locks
from zoo.catalog.file_names import name_fault
from zoo.documents import parse_document, read_regular_file
from zoo.errors import DocumentError, ResultFileError, UsageError, WriteError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from zoo.bench.records import Run

INDEX_NAME = "index.json"
"""What lies beside exported files and lists them."""
LARGEST_BYTES = 1 << 30
"""A result keeps every raw value: some 100 kB a case."""


def read(path: Path) -> list[Result]:
    """Read the results of a file, or of all files of a folder.

    Raises:
        ResultFileError: It is missing, not JSON, of another version, or breaks the schema.
    """
    if not path.is_dir():
        return _read_file(path)
    files = result_files(path)
    if not files:
        raise ResultFileError(str(path), "the folder has no .json files")
    return [result for file in files for result in _read_file(file)]


def result_files(folder: Path) -> list[Path]:
    """List the result files of a folder; a fleet has a folder in it for each kind of machine."""
    found = sorted([*folder.glob("*.json"), *folder.glob("*/*.json")])
    return [path for path in found if path.name != INDEX_NAME]


def holds_results(path: Path) -> bool:
    """Tell whether a file or a folder has results in it."""
    if path.is_file():
        return True
    return bool(result_files(path))


def _read_file(path: Path) -> list[Result]:
    return list(read_content(path).results)


def read_content(path: Path) -> ResultFile:
    """Read one result file with its sign-off, if it has one.

    Raises:
        ResultFileError: See :func:`read`.
    """
    try:
        data = read_regular_file(path, LARGEST_BYTES)
        content = parse_document(data, ResultFile, SCHEMA_VERSION)
        _check_sign_off(content)
        for number, result in enumerate(content.results):
            _check(f"$.results[{number}]", result)
    except OSError as error:
        fault = f"it cannot be read ({error.strerror})"
        raise ResultFileError(str(path), fault) from error
    except DocumentError as error:
        raise ResultFileError(str(path), str(error)) from error
    return content


def _check_sign_off(content: ResultFile) -> None:
    """Refuse results that were changed since somebody vouched for them."""
    signed = content.sign_off
    if signed is None:
        return

    if signed.sha256 != digest_of(content.results):
        fault = f"its results are not those that {signed.by} signed off"
        raise DocumentError("$.sign_off.sha256", fault)


def _check(
    path: str,
    result: Result,
) -> None:
    """Refuse what types cannot say.

    Figures that nothing can be computed from, names that are no file names.

    Raises:
        DocumentError: With the place of the fault.
    """
    case = result.case
    fault = name_fault(case.label)
    if fault is not None:
        raise DocumentError(f"{path}.case", f"its name {fault}")

    is_positive = bool(case.input_size) and 0 not in case.input_size
    if not is_positive:
        raise DocumentError(f"{path}.case.input_size", "expected numbers above 0")
    if case.batch == 0:
        raise DocumentError(f"{path}.case.batch", "expected at least 1")

    if result.yardstick_best_ns == 0:
        raise DocumentError(f"{path}.yardstick_best_ns", "expected a time above 0")

    if not result.runs and result.failure is None:
        raise DocumentError(f"{path}.runs", "expected runs, or the reason why there are none")
    for number, run in enumerate(result.runs):
        _check_run(f"{path}.runs[{number}]", run)


def _check_run(
    path: str,
    run: Run,
) -> None:
    """Refuse a run without values, or with a time or a ceiling of nothing."""
    if not run.values_ns or 0 in run.values_ns:
        raise DocumentError(f"{path}.values_ns", "expected at least one value, all above 0")

    if 0 in run.yardsticks_ns:
        raise DocumentError(f"{path}.yardsticks_ns", "expected times above 0")

    counts = {"batch": run.batch, "loops": run.loops}
    for field, count in counts.items():
        if count == 0:
            raise DocumentError(f"{path}.{field}", "expected at least 1")

    moments = len(run.measured_between_ns)
    if moments not in (0, 2):
        text = f"expected two moments, got {moments}"
        raise DocumentError(f"{path}.measured_between_ns", text)

    ceilings = run.ceilings
    if ceilings is None:
        return

    speeds = {
        "matmul_flops": ceilings.matmul_flops,
        "convolution_flops": ceilings.convolution_flops,
        "copy_bytes": ceilings.copy_bytes,
    }
    for field, speed in speeds.items():
        if speed == 0:
            raise DocumentError(f"{path}.ceilings.{field}", "expected more than 0")


def digest_of(results: Iterable[Result]) -> str:
    """Compute the digest that a sign-off vouches for."""
    values = [asdict(result) for result in results]
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    digest = sha256(text.encode())
    return digest.hexdigest()


def to_json(results: Iterable[Result]) -> dict[str, Any]:
    """Turn results into what a result file holds."""
    content = asdict(ResultFile(SCHEMA_VERSION, tuple(results)))
    del content["sign_off"]
    return content


class Store:
    """Where a session keeps its results.

    A file ending in ``.json``, or a folder with one file for each case.
    """

    def __init__(self, path: Path | None) -> None:
        """Keep results at a path, or only in memory.

        The folder is made before anything is measured.

        Raises:
            WriteError: It cannot be made.
        """
        self.path = path
        self.results: dict[str, Result] = {}
        if path is None:
            return

        folder = _folder(path)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            fault = error.strerror or str(error)
            raise WriteError(str(path), fault) from error

    def resume(self) -> None:
        """Take up the results that lie there, if any; what failed is tried again."""
        if self.path is None or not self._holds_results():
            return

        found = read(self.path)
        self.results = {result.case.label: replace(result, failure=None) for result in found}

    def begin(self) -> None:
        """Begin without results.

        Raises:
            UsageError: Some lie there, and would be lost.
        """
        if self._holds_results():
            advice = "go on from there with --resume, or name another --output"
            raise UsageError(f"{self.path} holds results: {advice}")

    def _holds_results(self) -> bool:
        path = self.path
        return path is not None and holds_results(path)

    def put(self, result: Result) -> None:
        """Keep the result of a case in place of the one before; on disk it is whole or as it was.

        What other sessions have put there meanwhile stays.

        Raises:
            ResultFileError: Another session has measured this case there, under other conditions.
        """
        label = result.case.label
        if self.path is None:
            self.results[label] = result
            return

        file = self.path
        is_folder = _folder(file) == file
        if is_folder:
            file = file / f"{label}.json"

        with locks.held_for(file):
            kept: dict[str, Result] = {}
            if file.exists():
                kept = {other.case.label: other for other in _read_file(file)}

            joined = _joined(kept.get(label), result, file)
            self.results[label] = joined
            kept[label] = joined
            _write(file, kept.values())


def _joined(
    there: Result | None,
    result: Result,
    file: Path,
) -> Result:
    """Add to a result the runs that another session has put into the file meanwhile."""
    if there is None:
        return result

    foreign = [run for run in there.runs if run not in result.runs]
    if not foreign:
        return result
    if not result.runs:  # it could not be measured here, but it could there
        return there

    if there.comparability != result.comparability:
        fault = f"another session has measured {result.case.label} there, under other conditions"
        raise ResultFileError(str(file), fault)
    bests_ns = (there.yardstick_best_ns, result.yardstick_best_ns)
    return replace(
        result,
        runs=(*foreign, *result.runs),
        yardstick_best_ns=min(filter(None, bests_ns), default=None),
    )


def _folder(path: Path) -> Path:
    """Tell where the files of a store lie."""
    if path.suffix == ".json":
        return path.parent
    return path


def _write(
    path: Path,
    results: Iterable[Result],
) -> None:
    text = json.dumps(to_json(results))
    atomic.write_text(path, f"{text}\n")

"""Crash between any two system calls of what zoo replaces, and look at what a disk could show.

    python -m scripts.crash_points              # every scenario
    python -m scripts.crash_points lock bench   # some

A scenario is a small program that replaces one document in a folder. It runs once under strace,
which lists its system calls with their bytes. Then the power is cut, on paper, after each of them,
and every folder is made that a disk may hold at that moment:

* of the names that were created, replaced and removed since the folder was last brought to the
  disk, the first few, in their order, or none, or all;
* of a file that was written to and not brought to the disk: nothing, the first half, zeros of the
  whole length (what XFS and ext4 show after a power cut), or all of it.

In each of these folders the document must be the one before or the one after, whole; and once the
program has ended, the one after. Needs strace; ``tests/test_crash_points.py`` runs a short form.

The file is long because the model of a disk, which the rules above describe, is read as one.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REPOSITORY = Path(__file__).parents[1]
CALLS = (
    "openat,open,creat,write,pwrite64,writev,lseek,ftruncate,fallocate,copy_file_range,"
    "fsync,fdatasync,rename,renameat,renameat2,link,linkat,unlink,unlinkat"
)
_LINE = re.compile(r"(?P<process>\d+) +(?P<call>\w+)\((?P<arguments>.*)\) += (?P<result>-?\d+)")
_UNFINISHED = re.compile(r"(?P<process>\d+) +(?P<start>.*) <unfinished \.\.\.>$")
_RESUMED = re.compile(r"(?P<process>\d+) +<\.\.\. \w+ resumed>(?P<rest>.*)$")
_TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_HANDLE = re.compile(r"(?P<number>\d+)<(?P<path>(?:\\x[0-9a-f]{2})*|[^>]*)>")


# --- what a program did ----------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    """One system call that changes or syncs something in the folder."""

    kind: str
    """create, write, truncate, sync, sync-folder, rename, link or unlink."""
    name: str
    other: str = ""
    """The second name of a rename or a link."""
    data: bytes = b""
    at: int = 0
    """Where bytes are written, or the new length."""


def record(program: str, folder: Path) -> list[Step]:
    """Run a program under strace and list what it does in a folder.

    Raises:
        RuntimeError: The program fails.
    """
    with tempfile.TemporaryDirectory() as scratch:
        log = Path(scratch, "log")
        strace = ["strace", "-f", "--seccomp-bpf", "-y", "-xx", "-s", "16777216"]
        carry_out(program, folder, *strace, "-o", str(log), "-e", CALLS)
        text = log.read_text(encoding="ascii")
        lines = list(_whole_lines(text))
    return list(_steps(lines, folder))


def carry_out(program: str, folder: Path, *before: str) -> None:
    """Run a program on a folder, perhaps under another one.

    Raises:
        RuntimeError: The program fails.
    """
    done = subprocess.run(
        [*before, sys.executable, "-c", program, str(folder)],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        check=False,
    )
    if done.returncode != 0:
        end = done.stderr[-2000:]
        raise RuntimeError(f"the program failed: {end}")


def _whole_lines(text: str) -> Iterator[str]:
    """Join the lines of calls that another thread's call has cut in two."""
    begun: dict[str, str] = {}
    for line in text.splitlines():
        match = _UNFINISHED.match(line)
        if match:
            process = match["process"]
            start = match["start"]
            begun[process] = f"{process} {start}"
        elif match := _RESUMED.match(line):
            start = begun.pop(match["process"], "")
            yield start + match["rest"]
        else:
            yield line


def _steps(lines: list[str], folder: Path) -> Iterator[Step]:
    """Turn strace's lines into what happens in a folder."""
    positions: dict[str, int] = {}
    """Where each open file is written to next."""
    for line in lines:
        match = _LINE.match(line)
        if match is None or int(match["result"]) < 0:
            continue
        result = int(match["result"])
        call = match["call"]
        arguments = match["arguments"]
        texts = [_bytes(text) for text in _TEXT.findall(arguments)]
        paths = [os.fsdecode(text) for text in texts if text.startswith(b"/")]
        places = [_inside(path, folder) for path in paths]
        names = [name for name in places if name is not None]

        yield from _on_names(call, arguments, names)
        if call in ("openat", "open", "creat"):
            positions[str(result)] = 0
        elif handle := _HANDLE.match(arguments):
            number = handle["number"]
            path = _decoded(handle["path"])
            held = _inside(path, folder)
            at = positions.get(number, 0)
            positions[number] = _position_after(call, at, result)
            if held is not None:
                data = b"".join(texts)
                yield from _on_open_file(call, arguments, held, data, at)


def _on_names(
    call: str,
    arguments: str,
    names: list[str],
) -> Iterator[Step]:
    """Turn a call that changes names in the folder into a step."""
    is_made = "O_CREAT" in arguments or call == "creat"
    opens = call in ("openat", "open", "creat")
    if opens and is_made and names:
        yield Step("create", names[0])
    elif call.startswith("rename") and len(names) == 2:
        yield Step("rename", names[0], names[1])
    elif call.startswith("link") and len(names) == 2:
        yield Step("link", names[0], names[1])
    elif call.startswith("unlink") and names:
        yield Step("unlink", names[0])


def _position_after(
    call: str,
    at: int,
    result: int,
) -> int:
    """Return where an open file is written to next."""
    if call == "lseek":
        return result
    if call in ("write", "writev"):
        return at + result
    return at


def _on_open_file(
    call: str,
    arguments: str,
    name: str,
    data: bytes,
    at: int,
) -> Iterator[Step]:
    """Turn a call on an open file or folder into a step."""
    _, _, last = arguments.rpartition(",")
    last_number = last.strip()
    if call in ("fsync", "fdatasync"):
        yield Step("sync-folder" if name == "." else "sync", name)
    elif call == "ftruncate":
        yield Step("truncate", name, at=int(last_number))
    elif call == "pwrite64":
        yield Step("write", name, data=data, at=int(last_number))
    elif call in ("write", "writev"):
        yield Step("write", name, data=data, at=at)
    elif call in ("fallocate", "copy_file_range"):
        raise RuntimeError(f"{call} is not modelled")


def _bytes(text: str) -> bytes:
    """Read strace's hexadecimal form."""
    return bytes.fromhex(text.replace("\\x", ""))


def _decoded(text: str) -> str:
    """Read a path of strace, which is hexadecimal or plain."""
    if text.startswith("\\x"):
        return _bytes(text).decode()
    return text


def _inside(path: str, folder: Path) -> str | None:
    """Return a path's name in the folder, ``"."`` for itself, ``None`` for any other place."""
    if path == str(folder):
        return "."
    name = path.removeprefix(f"{folder}/")
    is_below = name != path and "/" not in name
    if is_below:
        return name
    return None


# --- what a disk could show ------------------------------------------------------------


_MOST_FORMS = 4


@dataclass
class _File:
    """A file of the simulated disk."""

    now: bytearray = field(default_factory=bytearray)
    """What a program reads."""
    safe: bytes = b""
    """What is certainly on the disk."""

    def after_a_cut(self) -> Iterator[bytes]:
        """Yield what may be read after the power is back."""
        whole = bytes(self.now)
        yield whole
        if whole != self.safe:
            yield self.safe
            yield whole[: len(whole) // 2]
            yield bytes(len(whole))


class Disk:
    """A folder on a disk that keeps what it was told to sync, and of the rest what it likes."""

    def __init__(self, folder: dict[str, bytes]) -> None:
        self._names = {}
        for name, data in folder.items():
            self._names[name] = _File(bytearray(data), data)
        self._safe_names = dict(self._names)
        self._pending: list[dict[str, _File]] = []
        """The folder after each change of names since it was last synced."""

    def do(self, step: Step) -> None:
        """Take one step."""
        file = self._names.get(step.name)
        if step.kind == "sync-folder":
            self._safe_names = dict(self._names)
            self._pending = []
        elif step.kind == "create" and file is None:
            changed = self._names | {step.name: _File()}
            self._change(changed)
        elif file is None:
            return
        elif step.kind == "write":
            missing = step.at - len(file.now)
            hole = bytes(max(0, missing))
            end = step.at + len(step.data)
            file.now.extend(hole)
            file.now[step.at : end] = step.data
        elif step.kind == "truncate":
            del file.now[step.at :]
        elif step.kind == "sync":
            file.safe = bytes(file.now)
        elif step.kind in ("rename", "link"):
            changed = self._names | {step.other: file}
            if step.kind == "rename":
                del changed[step.name]
            self._change(changed)
        elif step.kind == "unlink":
            kept = dict(self._names)
            del kept[step.name]
            self._change(kept)

    def after_a_cut(self) -> Iterator[dict[str, bytes]]:
        """Yield every folder that may be there when the power is back."""
        for names in (self._safe_names, *self._pending):
            forms = {}
            for name, file in names.items():
                forms[name] = list(file.after_a_cut())
            counts = set(map(len, forms.values()))
            is_safe = counts <= {1}
            # All files that are not safe fare alike: what each may show is seen all the same.
            for kind in range(1 if is_safe else _MOST_FORMS):
                folder = {}
                for name, shown in forms.items():
                    last = len(shown) - 1
                    folder[name] = shown[min(kind, last)]
                yield folder

    def _change(self, names: dict[str, _File]) -> None:
        self._names = names
        self._pending.append(names)


@dataclass
class Report:
    """What a scenario has shown."""

    steps: int
    folders: int
    """How many different folders were looked at."""
    faults: list[str]


def look_at_every_crash(
    before: dict[str, bytes],
    steps: list[Step],
    name: str,
    is_right: Callable[[bytes | None], bool],
    is_new: Callable[[bytes | None], bool],
) -> Report:
    """Cut the power after each step and judge what every disk could show.

    Args:
        before: The folder as it was.
        steps: What the program did.
        name: The document.
        is_right: Whether a document (``None``: there is none) is the one before or the one after.
        is_new: Whether it is the one after.
    """
    disk = Disk(before)
    seen: set[bytes | None] = set()
    folders = 0
    faults: list[str] = []
    for number, step in enumerate(steps, start=1):
        disk.do(step)
        for shown in disk.after_a_cut():
            folders += 1
            document = shown.get(name)
            if document in seen:
                continue
            seen.add(document)
            if is_right(document):
                continue
            size = "nothing"
            if document is not None:
                size = f"{len(document)} bytes"
            place = f"after step {number} ({step.kind} {step.name})"
            faults.append(f"{place}: {name} is {size}")

    last = [shown.get(name) for shown in disk.after_a_cut()]
    if not all(map(is_new, last)):
        faults.append(f"after the end: {name} may still be the one before")
    return Report(len(steps), folders, faults)


# --- the scenarios ---------------------------------------------------------------------


@dataclass(frozen=True)
class Scenario:
    """A document, the program that makes it, and the program that replaces it."""

    document: str
    """Its name in the folder; a pattern, where the name depends on the folder."""
    first: str
    """Makes the one before; both get the folder as ``sys.argv[1]``."""
    second: str


_START = "import sys; from pathlib import Path; folder = Path(sys.argv[1])\n"
_ENVIRONMENT = "import os; os.environ['XDG_CACHE_HOME'] = str(folder.parent / 'other')\n"
_RESULTS = (
    _START
    + _ENVIRONMENT
    + """
from tests.support.bench_results import make_result
from zoo.bench.files import Store
store = Store(folder / 'results.json')
store.put(make_result(model='{model}'))
"""
)
_TRAINING = (
    _START
    + """
import torch
from zoo.trainer import checkpoints
state = {{'epoch': {epoch}, 'model': {{'w': torch.full((100,), {epoch}.0)}}}}
checkpoints.write_last(folder, state)
"""
)
_LOCK = (
    _START
    + _ENVIRONMENT
    + """
from zoo.cache import lockfile
lockfile.learn(folder / 'zoo.lock', '{name}.pth', lockfile.LockedFile('{digit}' * 64, 7))
"""
)
_CONVERT = (
    _START
    + """
import os, torch
os.environ['XDG_CACHE_HOME'] = str(folder.parent / 'other')
from zoo.loader import converter
source = folder.parent / 'source.pth'
torch.save({{'w': torch.full((500,), {value}.0)}}, source)
converter.convert_file(source, folder / 'made.safetensors', force=True)
"""
)
_RECEIPT = (
    _START
    + """
import os
os.environ['XDG_CACHE_HOME'] = str(folder.parent / 'other')
from zoo.cache import verified
verified._place = lambda path: folder / 'receipt.json'
file = folder.parent / 'f.pth'
file.write_bytes(b'{digit}')
verified.remember(file, '{digit}' * 64, verified.stamp(file))
"""
)
_TEXT_FILE = (
    _START + "from zoo import atomic; atomic.write_text(folder / 'a.json', '{text}' * 3000)"
)
_SETTINGS = (
    _START
    + """
from zoo.mirror import settings
from zoo.mirror.store import Store
inside = folder
if not (inside / 'mirror.json').exists():
    Store.create(inside, settings.Settings())
Store(inside).change_settings(lambda old: old.with_wanted(['{want}']))
"""
)
_DOWNLOAD = (
    _START
    + """
from zoo.cache import paths
from zoo.cache.digests import Expected
from zoo.download.partial import Partial
target = folder / 'f.pth'
data = b'{digit}' * 5000
side = paths.side_files(target)
partial = Partial(side.partial, side.journal, Expected(None, len(data)))
partial.set_length(len(data))
for start in (2500, 0):
    partial.write(start, data[start : start + 2500])
    partial.record(start, start + 2500)
partial.publish(target)
"""
)
_BUNDLE = (
    _START
    + """
import hashlib
from zoo.mirror import bundle, index, settings
from zoo.mirror.ecosystems import known as ecosystems
from zoo.mirror.store import Store
root = folder.parent / 'mirror'
store = Store(root) if root.exists() else Store.create(root, settings.Settings())
data = b'{digit}' * 5000
path = root / 'weights' / 'a.example' / 'f.pth'
path.parent.mkdir(parents=True, exist_ok=True)
path.write_bytes(data)
digest = hashlib.sha256(data).hexdigest()
name = str(path.relative_to(root))
kept = index.StoredFile(name, 'https://a.example/f.pth', len(data), digest, '')
item = index.Item('weights', 'resnet18:imagenet1k_v1', (kept,))
store.enter(item)
bundle.create(store, ecosystems.parse_all(['resnet18:imagenet1k_v1']), folder / 'out.zip')
"""
)

SCENARIOS = {
    "text": Scenario("a.json", _TEXT_FILE.format(text="a"), _TEXT_FILE.format(text="b")),
    "lock": Scenario(
        "zoo.lock", _LOCK.format(name="a", digit="1"), _LOCK.format(name="b", digit="2")
    ),
    "receipt": Scenario("receipt.json", _RECEIPT.format(digit="1"), _RECEIPT.format(digit="2")),
    "bench": Scenario(
        "results.json", _RESULTS.format(model="vgg11"), _RESULTS.format(model="vgg16")
    ),
    "train": Scenario("last.pt", _TRAINING.format(epoch=1), _TRAINING.format(epoch=2)),
    "convert": Scenario("made.safetensors", _CONVERT.format(value=1), _CONVERT.format(value=2)),
    "download": Scenario("f.pth", _DOWNLOAD.format(digit=1), _DOWNLOAD.format(digit=2)),
    "bundle": Scenario("out.zip", _BUNDLE.format(digit=1), _BUNDLE.format(digit=2)),
    "settings": Scenario(
        "mirror.json", _SETTINGS.format(want="resnet18"), _SETTINGS.format(want="vgg16")
    ),
}


def run(
    scenario: Scenario,
    place: Path,
    begin: Callable[[str, Path], None] = carry_out,
) -> Report:
    """Carry out one scenario below an empty folder.

    Args:
        scenario: What is done.
        place: The empty folder.
        begin: Carries out the first program, of which only the outcome counts.
    """
    folder = place / "folder"
    folder.mkdir()
    begin(scenario.first, folder)
    before = {}
    for path in folder.iterdir():
        if path.is_file():
            before[path.name] = path.read_bytes()

    (document,) = folder.glob(scenario.document)
    name = document.name
    steps = record(scenario.second, folder)
    after = document.read_bytes()
    allowed = {before[name], after}
    report = look_at_every_crash(
        before,
        steps,
        name,
        is_right=lambda data: data in allowed,
        is_new=lambda data: data == after,
    )
    if before[name] == after or not steps:
        report.faults.append("the program has changed nothing")
    return report


def main(names: list[str]) -> int:
    """Run scenarios and print what they have shown."""
    if shutil.which("strace") is None:
        print("needs strace", file=sys.stderr)
        return 2
    failed = 0
    for name in names or list(SCENARIOS):
        with tempfile.TemporaryDirectory() as place:
            report = run(SCENARIOS[name], Path(place))
        verdict = "ok" if not report.faults else "WRONG"
        looked_at = f"{report.steps} steps, {report.folders} folders"
        print(f"{name}: {looked_at}, {verdict}")
        for fault in report.faults:
            print(f"  {fault}")
        failed += bool(report.faults)
    if failed:
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

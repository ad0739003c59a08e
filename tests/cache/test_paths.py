"""Where torch's cache is, and what may lie in it."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch.hub

from tests.support.fetch_desk import DATA, NAME, Desk, record_of
from zoo.cache import paths, verified
from zoo.catalog.records import WeightsFile
from zoo.download import fetcher
from zoo.errors import CacheError

REPOSITORY = Path(__file__).parents[2]
FORBIDDEN = ("torch", "torchvision", "numpy", "requests", "urllib3")


def run(program: str, **environment: str) -> str:
    """Run a program in a process of its own, with nothing of torch's in its environment."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in ("TORCH_HOME", "XDG_CACHE_HOME")
    }
    kept |= {"PYTHONPATH": str(REPOSITORY), **environment}
    done = subprocess.run(
        [sys.executable, "-c", program], env=kept, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"TORCH_HOME": "~/t"},
        {"XDG_CACHE_HOME": "/x"},
        {"TORCH_HOME": "/a", "XDG_CACHE_HOME": "/x"},
    ],
)
def test_checkpoints_lie_where_torch_hub_looks(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder of torch.hub.get_dir(), for each variable it reads, without importing torch."""
    ours = (
        "import sys; from zoo.cache import paths; "
        "print(paths.checkpoints_folder(), 'torch' in sys.modules)"
    )
    for name in ("TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert run(ours, **environment) == f"{torch.hub.get_dir()}/checkpoints False"


def test_folder_set_in_torch_hub_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that has called torch.hub.set_dir means it for us too."""
    monkeypatch.setattr("torch.hub._hub_dir", None)  # and is put back
    torch.hub.set_dir("/elsewhere")
    assert paths.checkpoints_folder() == Path("/elsewhere/checkpoints")


def test_fetching_needs_no_torch_and_no_network_client_at_import() -> None:
    """Importing the fetcher, in a process that refuses torch, numpy and every network client."""
    program = (
        "import sys\n"
        "class Refuse:\n"
        f"    def find_spec(self, name, *_): assert name.split('.')[0] not in {FORBIDDEN}, name\n"
        "sys.meta_path.insert(0, Refuse())\n"
        "import zoo.download.fetcher\n"
        "print('fine')"
    )
    assert run(program) == "fine"


def test_cached_path_is_that_of_a_file_of_the_right_length(desk: Desk) -> None:
    """Nothing, a file of another length, an empty one, a folder: no path."""
    record = record_of("http://host.example/x")
    assert paths.cached_path(record, desk.folder) is None
    desk.target.write_bytes(DATA[:-1])
    assert paths.cached_path(record, desk.folder) is None
    desk.target.write_bytes(b"")
    assert paths.cached_path(replace(record, size_bytes=None), desk.folder) is None
    desk.target.write_bytes(DATA)
    assert paths.cached_path(record, desk.folder) == desk.target
    desk.target.unlink()
    desk.target.mkdir()
    assert paths.cached_path(replace(record, size_bytes=None), desk.folder) is None


def packaged(path: str, **facts: object) -> WeightsFile:
    """Return the record of a file that ships with the package."""
    return replace(WeightsFile("errors.py", None, None, packaged=path), **facts)  # type: ignore[arg-type]  # fields by name


def test_packaged_file_is_verified_where_it_lies(desk: Desk) -> None:
    """A file of the package needs neither network nor cache, but the right digest."""
    path = REPOSITORY / "zoo" / "errors.py"
    digest = subprocess.run(
        ["sha256sum", path], capture_output=True, text=True, check=True
    ).stdout.split()[0]
    fetched = fetcher.fetch(packaged("errors.py", sha256=digest), options=desk.options)
    assert fetched.path == path
    assert fetched.was_cached
    assert desk.holds_only()


@pytest.mark.parametrize(
    ("record", "fault"),
    [
        (
            packaged("errors.py", sha256="0" * 64),
            "the file of the package is damaged.*install torch-zoo again",
        ),
        (packaged("no-such-file.pth", sha256="0" * 64), "the file of the package is missing"),
        (packaged("../pyproject.toml"), "leads out of the package"),
        (packaged("/etc/passwd"), "leads out of the package"),
    ],
)
def test_packaged_file_that_is_not_right_is_an_error(
    desk: Desk, record: WeightsFile, fault: str
) -> None:
    """Damaged, missing, or a path that leads out of the package."""
    with pytest.raises(CacheError, match=fault):
        fetcher.fetch(record, options=desk.options)


@pytest.mark.parametrize(
    "facts",
    [{"sha256": "0" * 63}, {"sha256": "G" * 64}, {"sha256_prefix": "0123abc"}, {"sha256": ""}],
)
def test_digest_that_is_none_is_an_error(desk: Desk, facts: dict[str, str]) -> None:
    """Row 47: hash of wrong length or letters: error, before anything is done."""
    with pytest.raises(CacheError, match="lower-case hex digits; fix the registry"):
        fetcher.fetch(replace(record_of("http://host.example/x"), **facts), options=desk.options)  # type: ignore[arg-type]  # fields by name


def reads_of(desk: Desk, program: str) -> int:
    """Count the bytes that this process reads while a file is fetched from the cache."""

    def read_bytes() -> int:
        return int(Path("/proc/self/io").read_text().split()[1])

    record = record_of("http://host.example/x")
    before = read_bytes()
    fetcher.fetch(record, options=replace(desk.options, verify=program))  # type: ignore[arg-type]  # "quick" or "full"
    return read_bytes() - before


def test_file_that_nobody_touched_is_not_read_again(desk: Desk) -> None:
    """A full check is remembered by device, inode, length and times; on demand it is made again."""
    desk.target.write_bytes(DATA)
    assert reads_of(desk, "quick") > len(DATA)
    assert reads_of(desk, "quick") < len(DATA) / 10
    assert reads_of(desk, "full") > len(DATA)


def test_change_that_keeps_length_and_time_is_noticed(desk: Desk) -> None:
    """Times set back do not hide a change: no program can set the time of the change itself."""
    desk.target.write_bytes(DATA)
    reads_of(desk, "quick")
    facts = desk.target.stat()
    with desk.target.open("r+b") as stream:
        stream.write(bytes([DATA[0] ^ 1]))
    os.utime(desk.target, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert verified.recall(desk.target) is None


@pytest.mark.parametrize(
    "receipt", ["", "{}", "[]", "null", "[" * 4000, '{"path": 1, "stamp": 2, "sha256": 3}', "\x00"]
)
def test_hostile_receipt_is_no_receipt(desk: Desk, receipt: str) -> None:
    """Whatever stands in a receipt's place, the file is read."""
    desk.target.write_bytes(DATA)
    reads_of(desk, "quick")
    (place,) = verified.folder().rglob("*.json")
    place.write_text(receipt)
    assert verified.recall(desk.target) is None
    assert reads_of(desk, "quick") > len(DATA)


def test_receipts_that_cannot_be_written_are_no_error(desk: Desk) -> None:
    """A cache folder that is a file: the fetch works, only slower."""
    Path(os.environ["XDG_CACHE_HOME"], "zoo").touch()
    desk.target.write_bytes(DATA)
    assert reads_of(desk, "quick") > len(DATA)
    assert reads_of(desk, "quick") > len(DATA)


def test_side_files_are_told_from_other_files(desk: Desk) -> None:
    """Only the side files of this very target are found, whoever left them."""
    side = paths.side_files(desk.target)
    others = [
        f"{NAME}.partial",
        f"{NAME}.zoo-partial",
        f"x{side.partial.name}",
        "other.pth.01234567.zoo-partial",
    ]
    for name in (
        side.partial.name,
        side.journal.name,
        f"{NAME}.01234567-8-9abcdef0.zoo-journal",
        *others,
    ):
        (desk.folder / name).touch()
    found = {path.name for path in paths.all_side_files(desk.target)}
    assert found == {
        side.partial.name,
        side.journal.name,
        f"{NAME}.01234567-8-9abcdef0.zoo-journal",
    }

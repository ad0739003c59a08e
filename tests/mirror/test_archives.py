"""Archives of hub repositories are checked before they enter (row 63)."""

from __future__ import annotations

import hashlib
import io
import stat
import zipfile
from typing import TYPE_CHECKING

import pytest

from tests.support.hub_upstream import hub_archive
from zoo.errors import MirrorError
from zoo.mirror.archives import check_archive, commit_of

if TYPE_CHECKING:
    from pathlib import Path

COMMIT = "d" * 40
TOP = f"o-r-{COMMIT[:7]}/"


def _archive(*entries: tuple[str | zipfile.ZipInfo, bytes], has_top: bool = True) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.comment = COMMIT.encode()
        if has_top:
            archive.writestr(zipfile.ZipInfo(TOP), b"")
        archive.writestr(TOP + "hubconf.py", b"dependencies = []\n")
        for name, data in entries:
            archive.writestr(name, data)
    return buffer.getvalue()


def _check(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "archive.zip"
    path.write_bytes(data)
    check_archive(path, "o/r", COMMIT)


def _special(name: str, kind: int) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(TOP + name)
    entry.create_system = 3
    entry.external_attr = (kind | 0o644) << 16
    return entry


def test_archive_as_git_writes_it_is_let_through(tmp_path: Path) -> None:
    """Folder first, hubconf.py in it, the commit as comment."""
    _check(tmp_path, hub_archive("o/r", COMMIT, extra={"pkg/a.py": b"x = 1\n"}))
    assert commit_of(tmp_path / "archive.zip") == COMMIT


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("/etc/passwd", "is absolute"),
        ("\\\\host\\share", "is absolute"),
        ("C:\\x", "is absolute"),
        ("c:x", "is absolute"),
        (f"{TOP}../../x", "leads out of its folder"),
        (f"{TOP}..\\x", "leads out of its folder"),
        ("elsewhere/x", "lies outside of"),
        (f"{TOP}a\nb", "control character"),
        (f"{TOP}hubconf.py", "has the name of another"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_entry_that_could_land_elsewhere_is_refused_by_name(
    tmp_path: Path, name: str, fault: str
) -> None:
    """Row 63: absolute, with dot-dot, a drive letter, outside of the top folder."""
    entry = zipfile.ZipInfo("x")
    entry.filename = entry.orig_filename = name
    with pytest.raises(MirrorError, match=fault) as caught:
        _check(tmp_path, _archive((entry, b"x")))
    assert ascii(name)[1:-1] in str(caught.value) or fault == "control character"


@pytest.mark.parametrize(
    ("kind", "fault"),
    [(stat.S_IFLNK, "is a link"), (stat.S_IFCHR, "is a device"), (stat.S_IFIFO, "is a device")],
)
def test_links_and_devices_are_refused(tmp_path: Path, kind: int, fault: str) -> None:
    """Row 63: a link would be unpacked as a text file, a device as nothing good."""
    with pytest.raises(MirrorError, match=rf"entry '{TOP}odd' {fault}"):
        _check(tmp_path, _archive((_special("odd", kind), b"/etc/passwd")))


def test_first_entry_must_be_the_top_folder(tmp_path: Path) -> None:
    """Row 63: without it torch.hub leaves a file where the folder should be."""
    with pytest.raises(
        MirrorError, match=f"expected its top folder as first entry, got '{TOP}hubconf.py'"
    ):
        _check(tmp_path, _archive(has_top=False))


def test_archive_without_hubconf_is_no_hub_repository(tmp_path: Path) -> None:
    """A mirror of hub repositories says so early."""
    with pytest.raises(MirrorError, match=r"it has no hubconf\.py"):
        _check(tmp_path, hub_archive("o/r", COMMIT).replace(b"hubconf.py", b"hubless.py"))


def test_archive_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    """30 MB of zeros pack a thousandfold: no source code does that."""
    with pytest.raises(MirrorError, match="unpacks to 30000"):
        _check(tmp_path, _archive((f"{TOP}zeros", bytes(30_000_000))))


@pytest.mark.parametrize("cut", [10, 200])
def test_damaged_archive_is_refused(tmp_path: Path, cut: int) -> None:
    """A cut archive has no directory; a flipped byte breaks a checksum."""
    data = hub_archive("o/r", COMMIT, extra={"a.py": hashlib.shake_256(b"noise").digest(2000)})
    with pytest.raises(MirrorError, match="refused"):
        _check(tmp_path, data[:-cut])
    position = data.index(b"a.py") + 1000
    flipped = data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]
    with pytest.raises(MirrorError, match="refused"):
        _check(tmp_path, flipped)

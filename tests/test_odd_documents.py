"""Every kind of document that zoo reads.

Whatever stands in any place of it, it is read or refused in a sentence.

Each test breaks a whole document at every value and key (``tests/support/mutations.py``) and hands
it to the reader, and what was read to those who work with it. Nothing but an error of ours may come
out.
"""

from __future__ import annotations

import json
import struct
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.bench_results import RUN, make_result
from tests.support.mutations import mutations
from zoo.bench import compare as comparing
from zoo.bench import files as result_files
from zoo.bench.records import Ceilings
from zoo.bench.results import columns_by_model, to_rows
from zoo.cache import block_hashes, huggingface, lockfile, verified
from zoo.catalog import wellformed
from zoo.catalog.places import find_registry
from zoo.catalog.registry import parse_registry
from zoo.config import config_path, load_config
from zoo.download import memory
from zoo.download.partial import parse_journal
from zoo.errors import ConfigError, DocumentError, LockFileError, ZooError
from zoo.formats.safetensors_file import read_header
from zoo.formats.training_metadata import METADATA_KEY, OwnRecord, read_own_record
from zoo.inspector.layers import load_table, table_file
from zoo.mirror import bundle, index, settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DIGEST = "0123456789abcdef" * 4


def refused(document: Any, read: Callable[[str], object]) -> int:
    """Read every broken form of a document; return how many were refused.

    What is refused names the place of the fault, what is not refused has been worked with.
    """
    count = 0
    read(json.dumps(document))
    for what, text in mutations(document):
        error = _error_of(read, text)
        assert error is None or isinstance(error, ZooError), f"{what}: {error!r:.300}"
        if error is not None:
            count += 1
            cause = error.__cause__
            assert "\x1b" not in str(error), what
            assert not isinstance(cause, DocumentError) or cause.json_path.startswith("$"), what
    return count


def _error_of(read: Callable[[str], object], text: str) -> Exception | None:
    """Return what a reader raises, whatever it is."""
    try:
        read(text)
    except Exception as error:  # noqa: BLE001 - the test is about what else may come out
        return error
    return None


def test_registry() -> None:
    """What is read is looked through as "zoo registry validate" does, too."""
    content = json.loads(find_registry().read_text(encoding="utf-8"))
    content["architectures"] = {"resnet18": content["architectures"]["resnet18"]}
    content["categories"] = {"imagenet1k": ["a", "b"]}
    content["category_ids"] = {"imagenet1k": ["n1", "n2"]}

    def read(text: str) -> None:
        registry = parse_registry(text)
        wellformed.faults(registry)
        wellformed.without_digest(registry)

    assert refused(content, read) > 800


def test_results_of_a_benchmark(tmp_path: Path) -> None:
    """What is read is summarised, listed, joined to the registry and compared, too."""
    ceilings = Ceilings(1e11, 1e11, 1e10, 5000)
    result = make_result([replace(RUN, values_ns=RUN.values_ns[:2])])
    run = json.loads(json.dumps(result_files.to_json([result])))
    for one in run["results"][0]["runs"]:
        one["ceilings"] = {name: getattr(ceilings, name) for name in ceilings.__slots__}
    file = tmp_path / "results.json"

    def read(text: str) -> None:
        file.write_text(text, encoding="utf-8", errors="surrogatepass")
        results = result_files.read(file)
        to_rows(results)
        columns_by_model(file)
        comparing.compare(results, results, is_forced=True)

    assert refused(run, read) > 1000


def test_metadata_and_header_of_a_trained_file(tmp_path: Path) -> None:
    """The record lies as text in the header, and the header is JSON itself."""
    record = OwnRecord("lenet5", ("0", "1"), 1.5, 100, 3, DIGEST, {"lr": 0.1, "optimizer": "sgd"})
    header: dict[str, Any] = {
        "__metadata__": record.as_metadata(),
        "w": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]},
    }
    file = tmp_path / "best.safetensors"

    def write(text: str) -> None:
        data = text.encode("utf-8", errors="surrogatepass")
        file.write_bytes(struct.pack("<Q", len(data)) + data + bytes(16))

    def read_record(text: str) -> None:
        metadata = {**record.as_metadata(), METADATA_KEY: text}
        write(json.dumps({**header, "__metadata__": metadata}))
        read_own_record(file)

    def read_whole(text: str) -> None:
        write(text)
        read_header(file)
        read_own_record(file)

    assert refused(json.loads(record.as_metadata()[METADATA_KEY]), read_record) > 100
    assert refused(header, read_whole) > 100


def test_table_of_layers(tmp_path: Path) -> None:
    """It ships with the package, and may be damaged there."""
    content = json.loads(table_file("lenet5").read_text(encoding="utf-8"))

    def read(text: str) -> None:
        (tmp_path / "lenet5.json").write_text(text, encoding="utf-8", errors="surrogatepass")
        load_table("lenet5", tmp_path)

    assert refused(content, read) > 100


def test_index_and_settings_of_a_mirror() -> None:
    """Both name the place of a fault."""
    file = index.StoredFile("weights/a.example/f.pth", "https://a.example/f.pth", 1, DIGEST, "now")
    items = index.Item("weights", "https://a.example/f.pth", (file,))
    content = json.loads(index.to_json(index.Index((items,))))
    assert refused(content, index.parse) > 150

    wanted = json.loads(settings.to_json(settings.Settings(("resnet18:imagenet1k_v1",))))
    assert refused(wanted, settings.parse) > 100


def test_list_of_a_bundle(tmp_path: Path) -> None:
    """It is held against the archive before anything is written."""
    path = "torch/hub/checkpoints/f.pth"
    content = {
        "schema_version": 1,
        "wanted": ["resnet18"],
        "files": {path: {"size_bytes": 3, "sha256": DIGEST}},
    }
    archive = tmp_path / "a.zip"

    def read(text: str) -> None:
        with zipfile.ZipFile(archive, "w") as opened:
            opened.writestr(path, b"abc")
            opened.writestr(bundle.MANIFEST, text.encode("utf-8", errors="surrogatepass"))
        bundle.apply(archive, torch=tmp_path / "torch", hub_cache=tmp_path / "hf")

    with pytest.raises(ZooError, match="damaged"):
        read(json.dumps(content))  # its three bytes do not have that digest
    for what, text in mutations(content):
        with pytest.raises(ZooError):
            read(text)
        assert not list(tmp_path.rglob("f.pth")), what


def test_what_is_a_hint_is_ignored_where_it_makes_no_sense(tmp_path: Path) -> None:
    """Receipts, journals, silent servers, digests of blocks, huggingface_hub's trees.

    Nobody is told.
    """
    file = tmp_path / "f.pth"
    file.write_bytes(b"abc")
    verified.remember(file, DIGEST, verified.stamp(file))
    receipt = next(verified.folder().rglob("*.json"))
    for what, text in mutations(json.loads(receipt.read_text())):
        receipt.write_text(text, encoding="utf-8", errors="surrogatepass")
        assert verified.recall(file) in (None, DIGEST), what

    blocks = {
        "schema_version": 1,
        "size_bytes": 1 << 20,
        "block_bytes": 1 << 20,
        "sha256": DIGEST,
        "block_sha256": [DIGEST],
    }
    for _, text in mutations(blocks):
        block_hashes.parse(text.encode("utf-8", errors="surrogatepass"))

    for entry in (
        ["zoo-partial", 1, None],
        ["length", 3],
        ["validator", "k", "e", "m"],
        ["span", 0, 1],
    ):
        for _, text in mutations(entry):
            line = text.encode("utf-8", errors="surrogatepass")
            parse_journal(b'["zoo-partial", 1, null]\n' + line + b"\n")
            parse_journal(line + b"\n")

    for _, text in mutations({"https://a.example:443": 1.5}):
        memory.place().write_text(text, encoding="utf-8", errors="surrogatepass")
        assert memory.in_good_order([]) == []

    commit = "0" * 40
    snapshot = tmp_path / "models--a--b" / "snapshots" / commit
    snapshot.mkdir(parents=True)
    (snapshot / "f").write_bytes(b"abc")
    tree = snapshot.parents[1] / "trees" / f"{commit}.json"
    tree.parent.mkdir()
    for _, text in mutations({"files": {"f": {"blob_id": commit, "size": 3}}}):
        tree.write_text(text, encoding="utf-8", errors="surrogatepass")
        found = huggingface.list_snapshots(tmp_path)
        huggingface.verify(found)


ODD_SETTINGS = [
    "connections = " + "9" * 5000,
    "connections = 1e400",
    "connections = nan",
    "connections = true",
    "connections = 0",
    "mirrors = " + "[" * 100_000,
    'mirrors = "https://a.example"',
    "mirrors = [1]",
    "upstream = 1",
    "lock_file = 1979-05-27",
    'lock_file = "a\\u0000b"',
    "unheard_of = 1",
    "upstream = true\nupstream = false",
    "\x00",
]


@pytest.mark.parametrize("text", ODD_SETTINGS, ids=lambda text: text[:24])
def test_settings(text: str) -> None:
    """The file and the key are named."""
    config_path().parent.mkdir(parents=True)
    config_path().write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"config\.toml"):
        load_config()


ODD_LINES = [
    b"",
    b"\xff",
    b"sha256:" + b"0" * 63 + b" 1 f.pth",
    b"sha256:" + b"0" * 64 + b" " + b"9" * 5000 + b" f.pth",
    b"sha256:" + b"0" * 64 + b" -1 f.pth",
    b"sha256:" + b"0" * 64 + b" 1e9 f.pth",
    b"sha256:" + b"0" * 64 + b" 1 ../f.pth",
    b"sha256:" + b"0" * 64 + b" 1 f\x1b.pth",
    b"sha256:" + b"0" * 64 + b" 1 CON",
    b"[" * 100_000,
]


@pytest.mark.parametrize("line", ODD_LINES, ids=lambda line: repr(line[:12]))
def test_lock_file(line: bytes) -> None:
    """The file and the line are named."""
    head = lockfile.HEADER.encode() + b"\n" if line else b""
    with pytest.raises(LockFileError, match="line"):
        lockfile.parse(head + line + b"\n")

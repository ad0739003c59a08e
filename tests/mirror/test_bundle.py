"""Bundles: made from a mirror, applied to empty caches, used by unmodified clients offline."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.mirror.conftest import MAIN, MODEL_COMMIT, fill
from tests.mirror.syncing import run
from tests.support import resnet18_file
from tests.support.hub_upstream import Repository, hub_archive
from tests.support.mirror_places import flip, overwrite
from zoo.catalog.registry import load_registry
from zoo.errors import MirrorError
from zoo.mirror import bundle, layout, offline
from zoo.mirror.ecosystems import known as ecosystems
from zoo.mirror.index import Item, StoredFile
from zoo.mirror.specs import ModelSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.hub_upstream import HubUpstream
    from tests.support.mirror_places import Places
    from zoo.mirror.store import Store

WANTED = ("someone/nets", "someone/nets:feature/x", "hf:org/tiny")
CLIENTS = """
import json, pathlib, torch
from huggingface_hub import snapshot_download
load = lambda repository: torch.hub.load(repository, "answer", verbose=False)
tree = pathlib.Path(snapshot_download("org/tiny"))
count = len(list(tree.rglob("*.*")))
print(json.dumps([load("someone/nets"), load("someone/nets:feature/x"), count]))
"""


@pytest.fixture(scope="module")
def filled(places: Places) -> Store:
    """Make a mirror of a repository at two refs and a model."""
    return fill(places.new(), {}, *WANTED)


@pytest.fixture
def archive(filled: Store, tmp_path: Path) -> Path:
    """Make a bundle of all of it."""
    out = tmp_path / "out.zip"
    bundle.create(filled, ecosystems.parse_all(WANTED), out)
    return out


def test_bundle_seeds_both_caches(archive: Path, tmp_path: Path) -> None:
    """Every place that the clients look at, to the byte."""
    applied = bundle.apply(archive)
    hub, model = tmp_path / "torch" / "hub", tmp_path / "huggingface" / "hub" / "models--org--tiny"
    assert (hub / "someone_nets_main" / "hubconf.py").is_file()
    assert (hub / "someone_nets_feature_x" / "hubconf.py").is_file()
    assert (hub / "trusted_list").is_file()
    assert (model / "refs" / "main").read_bytes() == MODEL_COMMIT.encode()
    assert (
        model / "snapshots" / MODEL_COMMIT / "sub folder" / "notes.txt"
    ).read_bytes() == b"a name with a space\n"
    tree = json.loads((model / "trees" / f"{MODEL_COMMIT}.json").read_bytes())
    assert set(tree["files"]["model.safetensors"]) == {"size", "blob_id", "lfs_sha256", "lfs_size"}
    assert applied.kept == []
    assert not list(tmp_path.rglob(".zoo-bundle-*"))
    again = bundle.apply(archive)
    assert (again.written, len(again.kept)) == ([], len(applied.written))


def test_unmodified_clients_run_with_no_network_on_a_read_only_mount(
    archive: Path, tmp_path: Path
) -> None:
    """In a network namespace that has no way out, with both caches mounted read-only."""
    if (
        shutil.which("unshare") is None
        or subprocess.run(["unshare", "-rmn", "true"], check=False).returncode
    ):
        pytest.skip(
            "namespaces (unshare) are not allowed here, "
            "so no read-only mount without a network can be made"
        )
    bundle.apply(archive)
    homes = " ".join(str(tmp_path / name) for name in ("torch", "huggingface"))
    mount = (
        f"for home in {homes}; do mount --bind $home $home; mount -o remount,ro,bind $home; done"
    )
    script = f'{mount}; ! touch {tmp_path}/torch/x 2>/dev/null && exec "$@"'
    command = [
        "unshare",
        "-rmn",
        "sh",
        "-c",
        script,
        "sh",
        sys.executable,
        "-W",
        "ignore",
        "-c",
        CLIENTS,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout.splitlines()[-1]) == [1, 3, 5]


def test_doctor_names_what_is_missing(archive: Path, tmp_path: Path) -> None:
    """Before: everything. After: nothing. Then each look-up is broken in turn and named."""
    everything = ecosystems.parse_all([*WANTED, "resnet18"])
    assert all(entry.fault for entry in offline.look_up(everything))
    bundle.apply(archive)
    wanted = ecosystems.parse_all(WANTED)
    assert [entry for entry in offline.look_up(wanted) if entry.fault] == []
    hub, model = tmp_path / "torch" / "hub", tmp_path / "huggingface" / "hub" / "models--org--tiny"
    breaks: list[tuple[Path, Callable[[Path], object], str]] = [
        (hub / "trusted_list", Path.unlink, "read-only mount"),
        (hub / "someone_nets_main" / "hubconf.py", Path.unlink, "expected a file"),
        (
            model / "refs" / "main",
            lambda path: path.write_bytes(path.read_bytes() + b"\n"),
            "no newline",
        ),
        (model / "snapshots" / MODEL_COMMIT / "config.json", Path.unlink, "the commit holds it"),
        (
            model / "snapshots" / MODEL_COMMIT / "README.md",
            lambda path: path.write_bytes(b"# evil\n"),
            "git hash",
        ),
        (
            model / "trees" / f"{MODEL_COMMIT}.json",
            lambda path: path.write_text(
                path.read_text().replace('"size"', '"xet_hash": "0", "size"', 1)
            ),
            "Xet",
        ),
    ]
    for path, damage, words in breaks:
        damage(path)
        faults = [entry for entry in offline.look_up(wanted) if entry.fault]
        assert any(entry.path == str(path) and words in str(entry.fault) for entry in faults), (
            path,
            faults,
        )
        bundle.apply(archive)
        assert [entry for entry in offline.look_up(wanted) if entry.fault] == []


def test_repository_that_the_registry_knows_is_still_a_repository() -> None:
    """As `zoo mirror add` reads it: `pytorch/vision:v0.20.0` is no model of the registry."""
    (spec,), at_hand = ecosystems.parse_offline(["pytorch/vision:v0.20.0"])
    assert (str(spec), at_hand) == ("pytorch/vision:v0.20.0", [])


def test_doctor_reads_weights(torch_home: Path) -> None:
    """A file of the wrong length under the right name is damaged, not cached."""
    place = torch_home / "hub" / "checkpoints" / resnet18_file.FILE_NAME
    place.parent.mkdir(parents=True)
    place.write_bytes(b"short")
    (entry,) = offline.look_up(ecosystems.parse("resnet18"))
    assert (entry.path, "damaged" in str(entry.fault)) == (str(place), True)


def test_bundle_of_what_the_mirror_has_not_is_refused(filled: Store, tmp_path: Path) -> None:
    """Named, with the next command; no archive is left."""
    with pytest.raises(
        MirrorError,
        match=r'resnet18:imagenet1k_v1: the mirror does not hold all of it; run "zoo mirror add"',
    ):
        bundle.create(filled, ecosystems.parse_all(["resnet18"]), tmp_path / "out.zip")
    assert not list(tmp_path.glob("*out.zip*"))


def test_damaged_mirror_makes_no_bundle(filled: Store, tmp_path: Path) -> None:
    """A flipped byte is found while it is copied."""
    path = layout.huggingface_path("org/tiny", MODEL_COMMIT, "model.safetensors")
    good = flip(filled, path)
    try:
        with pytest.raises(MirrorError, match="expected sha256"):
            bundle.create(filled, ecosystems.parse_all(["hf:org/tiny"]), tmp_path / "out.zip")
    finally:
        overwrite(filled, path, good)
    assert not list(tmp_path.glob("*out.zip*"))


def _rewritten(archive: Path, change: Callable[[str, bytes], tuple[str, bytes] | None]) -> Path:
    """Write a bundle again with changed entries."""
    out = archive.with_name("changed.zip")
    with zipfile.ZipFile(archive) as source, zipfile.ZipFile(out, "w") as target:
        for name in source.namelist():
            if (entry := change(name, source.read(name))) is not None:
                target.writestr(*entry)
    return out


def _flip(name: str, data: bytes) -> tuple[str, bytes]:
    return name, (data[:-1] + b"?" if name.endswith("config.json") else data)


def _drop(name: str, data: bytes) -> tuple[str, bytes] | None:
    return None if name.endswith("config.json") else (name, data)


def _escape(name: str, data: bytes) -> tuple[str, bytes]:
    old, new = "torch/hub/someone_nets_main/hubconf.py", "torch/hub/../../escaped.py"
    return name.replace(old, new), data.replace(
        old.encode(), new.encode()
    ) if name == bundle.MANIFEST else data


def _elsewhere(name: str, data: bytes) -> tuple[str, bytes]:
    old, new = "torch/hub/someone_nets_main/", "etc/passwd/x/"
    return name.replace(old, new), data.replace(
        old.encode(), new.encode()
    ) if name == bundle.MANIFEST else data


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_flip, "the bundle is damaged"),
        (_drop, "its list and its entries differ"),
        (_escape, "lies outside of the caches"),
        (_elsewhere, "lies outside of the caches"),
        (
            lambda name, data: (name, b"{}" if name == bundle.MANIFEST else data),
            "expected a bundle with its",
        ),
        (
            lambda name, data: None if name == bundle.MANIFEST else (name, data),
            "expected a bundle with its",
        ),
    ],
)
def test_hostile_or_damaged_bundle_is_refused(
    archive: Path,
    tmp_path: Path,
    change: Callable[[str, bytes], tuple[str, bytes] | None],
    words: str,
) -> None:
    """Nothing outside of the caches is written, and no wrong byte gets a final name."""
    with pytest.raises(MirrorError, match=words):
        bundle.apply(_rewritten(archive, change))
    assert not list(tmp_path.rglob("escaped.py"))
    assert not list((tmp_path / "huggingface").rglob("snapshots/*/config.json"))


def test_cut_bundle_is_refused(archive: Path) -> None:
    """An archive that was not copied whole has no directory."""
    archive.write_bytes(archive.read_bytes()[:-100])
    with pytest.raises(MirrorError, match="expected a whole zip archive"):
        bundle.apply(archive)


def test_repository_with_an_odd_default_branch_is_found_without_a_ref(
    store: Store, upstream: HubUpstream, tmp_path: Path
) -> None:
    """torch.hub looks for main, then master: a default branch called trunk is seeded as main."""
    archives = {MAIN: hub_archive("o/r", MAIN)}
    upstream.repositories["o/r"] = Repository({"trunk": MAIN}, {}, archives, default="trunk")
    assert run(store, "o/r").failures == []
    files = bundle.create(store, ecosystems.parse("o/r"), tmp_path / "o.zip")
    assert set(files) == {"torch/hub/o_r_trunk/hubconf.py", "torch/hub/o_r_main/hubconf.py"}


def test_files_of_one_name_are_never_one_file(places: Places, tmp_path: Path) -> None:
    """Two files that clients look up by one name are an error; the same file twice is none."""
    one, other = "/models/a/model.safetensors", "/models/b/model.safetensors"
    same = "/models/c/model.safetensors"
    store = fill(places.new(), {one: b"one", other: b"other", same: b"one"})
    specs = [f"https://download.pytorch.org{path}" for path in (one, other, same)]
    out = tmp_path / "out.zip"
    with pytest.raises(
        MirrorError, match=r"another file of the bundle is called model\.safetensors"
    ):
        bundle.create(store, ecosystems.parse_all(specs[:2]), out)
    assert list(tmp_path.glob("*.zip*")) == []
    files = bundle.create(store, ecosystems.parse_all([specs[0], specs[2]]), out)
    assert files == {"torch/hub/checkpoints/model.safetensors": 3}


def test_weights_get_the_name_that_the_registry_loads_them_by(
    store: Store, tmp_path: Path, torch_home: Path
) -> None:
    """Where address and file name differ, ``apply`` puts the file where ``load_model`` looks."""
    architectures = load_registry().architectures.values()
    weights = next(
        w for a in architectures for w in a.weights.values() if any(f.url for f in w.files)
    )
    spec = next(
        ModelSpec(a.name, w.tag) for a in architectures for w in a.weights.values() if w is weights
    )
    file = next(file for file in weights.files if file.url)
    stored = StoredFile(
        layout.weights_path(str(file.url)),
        str(file.url),
        1,
        hashlib.sha256(b"x").hexdigest(),
        "2026",
    )
    staged = store.staged("x")
    staged.write_bytes(b"x")
    store.adopt(staged, stored.path, stored.sha256)
    store.enter(Item("weights", str(spec), (stored,)))
    bundle.create(store, [spec], tmp_path / "out.zip")
    bundle.apply(tmp_path / "out.zip")
    assert (torch_home / "hub" / "checkpoints" / file.file_name).read_bytes() == b"x"

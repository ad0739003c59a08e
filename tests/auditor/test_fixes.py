"""Pins written into sources: those that the lock file knows, and nothing else of the file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from zoo.auditor import audit, fixes
from zoo.auditor.knowledge import Knowledge
from zoo.cache.lock_lines import LockedThing

if TYPE_CHECKING:
    from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"
OTHER = "f" * 40
ZEROS = "0" * 64
KNOWLEDGE = Knowledge(
    (
        LockedThing("github", f"pytorch/vision@{COMMIT}", refs=("main",)),
        LockedThing("github", f"twice/net@{COMMIT}", refs=("v1",)),
        LockedThing("github", f"twice/net@{OTHER}", refs=("v2",)),
        LockedThing("huggingface", f"a/net@{COMMIT}/config.json", ZEROS, 1, ("main",)),
        LockedThing("huggingface", f"a/net@{COMMIT}/model.safetensors", ZEROS, 1, ("main",)),
    )
)


def fixed(path: Path, text: str) -> str:
    """Write a source, fix it, and read it again."""
    path.write_text(text, encoding="utf-8")
    findings = audit.audit([path], KNOWLEDGE).findings
    fixes.fix({path.name: path}, findings)
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            'torch.hub.load("pytorch/vision", "resnet18")',
            f'torch.hub.load("pytorch/vision:{COMMIT}", "resnet18", skip_validation=True)',
        ),
        (
            "torch.hub.load('pytorch/vision:main', 'é', skip_validation=True)",
            f"torch.hub.load(\"pytorch/vision:{COMMIT}\", 'é', skip_validation=True)",
        ),
        (
            'torch.hub.load("twice/net:v2", "a",)',
            f'torch.hub.load("twice/net:{OTHER}", "a", skip_validation=True,)',
        ),
        (
            'AutoModel.from_pretrained("a/net")',
            f'AutoModel.from_pretrained("a/net", revision="{COMMIT}")',
        ),
        (
            'AutoModel.from_pretrained("a/net", revision="main")',
            f'AutoModel.from_pretrained("a/net", revision="{COMMIT}")',
        ),
        (
            'AutoModel.from_pretrained(\n    MODEL,\n    cache_dir="é",\n)',
            f'AutoModel.from_pretrained(\n    MODEL,\n    cache_dir="é", revision="{COMMIT}",\n)',
        ),
        (
            'timm.create_model("hf-hub:a/net", pretrained=True)',
            f'timm.create_model("hf-hub:a/net@{COMMIT}", pretrained=True)',
        ),
        (
            '"é"; torch.hub.load("pytorch/vision", "a"); AutoModel.from_pretrained("a/net")',
            (
                f'"é"; torch.hub.load("pytorch/vision:{COMMIT}", "a", skip_validation=True); '
                f'AutoModel.from_pretrained("a/net", revision="{COMMIT}")'
            ),
        ),
    ],
)
def test_a_pin_is_written_where_the_call_stands(tmp_path: Path, before: str, after: str) -> None:
    """And a second audit finds nothing there."""
    head = 'import timm, torch\nfrom transformers import AutoModel\nMODEL = "a/net"\n'
    path = tmp_path / "a.py"
    assert fixed(path, f"{head}{before}\n") == f"{head}{after}\n"
    assert audit.audit([path], KNOWLEDGE).findings == ()


@pytest.mark.parametrize(
    "call",
    [
        'torch.hub.load("unknown/net", "a")',
        'torch.hub.load("twice/net", "a")',
        'torch.hub.load("pytorch/vision:v9", "a")',
        "torch.hub.load(REPOSITORY, 'a')",
        'AutoModel.from_pretrained("a/net", revision=WHICH)',
        'AutoModel.from_pretrained("a/net")  # zoo: ignore',
    ],
)
def test_what_is_unknown_ambiguous_or_elsewhere_is_left_as_it_is(tmp_path: Path, call: str) -> None:
    """A pin is never guessed."""
    head = 'import torch\nfrom transformers import AutoModel\nREPOSITORY = "pytorch/vision"\n'
    text = f'{head}WHICH = "main"\n{call}\n'
    path = tmp_path / "a.py"
    assert fixed(path, text) == text


def test_cells_of_a_notebook_are_mended_and_their_magics_kept(tmp_path: Path) -> None:
    """The rest of the notebook stays."""
    lines = ["%matplotlib inline\n", "import torch\n", 'torch.hub.load("pytorch/vision", "é")']
    cell = {"cell_type": "code", "metadata": {}, "outputs": [], "source": lines}
    notebook = {"cells": [cell], "metadata": {"a": 1}, "nbformat": 4, "nbformat_minor": 5}
    after = json.loads(fixed(tmp_path / "a.ipynb", json.dumps(notebook)))
    lines[2] = f'torch.hub.load("pytorch/vision:{COMMIT}", "é", skip_validation=True)'
    assert after == notebook


def test_windows_line_ends_are_kept(tmp_path: Path) -> None:
    """Version control shows one line as changed."""
    path = tmp_path / "a.py"
    path.write_bytes(b'import torch\r\ntorch.hub.load("pytorch/vision", "a")\r\n')
    fixes.fix({"a.py": path}, audit.audit([path], KNOWLEDGE).findings)
    assert path.read_bytes().count(b"\r\n") == 2
    assert path.read_bytes().count(b"\n") == 2

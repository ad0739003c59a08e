"""What a scan comes to: code, objects saved whole, or damage."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch import nn

from tests.support.hostile_files import ATTACKS, write_zip
from zoo.formats.checkpoint import scan
from zoo.formats.scan_result import Format, Import, Scan, Verdict

if TYPE_CHECKING:
    from pathlib import Path


class Net(nn.Module):
    """A network of a user's own."""

    def __init__(self) -> None:
        """Make one layer."""
        super().__init__()
        self.layer = nn.Linear(2, 2)


@pytest.mark.parametrize("attack", ATTACKS)
def test_code_is_called_code(attack: str, tmp_path: Path) -> None:
    """Whatever way it is hidden in."""
    path = write_zip(tmp_path / "net.pth", ATTACKS[attack](tmp_path / "canary").pickled)
    found = scan(path)
    assert found.verdict is Verdict.CODE
    assert found.summary.startswith("runs code: ")
    assert "do not load it" in str(found.error())


@pytest.mark.parametrize("model", [nn.Sequential(nn.Linear(2, 2)), Net()])
def test_a_pickled_model_is_called_one(model: nn.Module, tmp_path: Path) -> None:
    """Built of torch's layers alone, or of a class of one's own."""
    torch.save(model, tmp_path / "net.pth")
    found = scan(tmp_path / "net.pth")
    assert found.verdict is Verdict.OBJECTS
    assert found.summary == "a whole pickled model: save its state_dict instead"
    assert "save model.state_dict()" in str(found.error())


@pytest.mark.parametrize("extra", [Namespace(lr=0.1), np.float64(0.5), np.zeros(2)])
def test_objects_beside_tensors_are_named(extra: object, tmp_path: Path) -> None:
    """Options and figures of a training program."""
    torch.save({"state_dict": {"a": torch.ones(2)}, "extra": extra}, tmp_path / "net.pth")
    found = scan(tmp_path / "net.pth")
    assert found.verdict is Verdict.OBJECTS
    assert found.summary.startswith("holds objects beside tensors (")


def test_tensors_are_safe_and_a_cut_file_is_damaged(tmp_path: Path) -> None:
    """Neither would run anything."""
    path = tmp_path / "net.pth"
    torch.save({"a": torch.ones(200)}, path)
    assert scan(path).verdict is Verdict.SAFE
    path.write_bytes(path.read_bytes()[:300])
    assert (scan(path).verdict, scan(path).summary) == (Verdict.DAMAGED, "damaged")


@pytest.mark.parametrize(
    "name",
    [
        "os.system",
        "builtins.eval",
        "__builtin__.eval",
        "subprocess.Popen",
        "torch.load",
        "torch.hub.load",
        "numpy.testing._private.utils.runstring",
        "pip.main",
        "joblib.load",
    ],
)
def test_one_call_beside_layers_makes_it_code(name: str) -> None:
    """Popen has a capital letter: the standard library is judged by a list, not by letters."""
    names = ("torch.nn.modules.linear.Linear", name)
    imports = tuple(Import(each, "GLOBAL", "data.pkl", 0, is_allowed=False) for each in names)
    found = Scan("net.pth", Format.ZIP, imports, ("a fault",))
    assert found.verdict is Verdict.CODE
    assert found.summary == f"runs code: {name}"

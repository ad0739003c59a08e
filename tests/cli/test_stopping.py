"""Ctrl-C and SIGTERM say how far it came, what is kept, what to type; a second ends at once.

The exit codes are 130 and 143.
"""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import tempfile
import time
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from tests.support import warm
from zoo.cli.terminal import stopping
from zoo.cli.terminal.progress import StepProgress

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess
    from pathlib import Path

LIMIT_S = 120
MANY = 2_000


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make many images of two digits; links to one image each cost nothing."""
    root = tmp_path_factory.mktemp("digits")
    for label in ("0", "1"):
        folder = root / label
        folder.mkdir()
        Image.new("L", (32, 32), int(label) * 200).save(folder / "first.png")
        for number in range(MANY // 2):
            os.link(folder / "first.png", folder / f"{number:05}.png")
    return root


def stopped(number: signal.Signals, *arguments: str) -> tuple[int, str, str]:
    """Run a command on a terminal and send a signal while its bar counts.

    Return its exit code, what it printed, and what it said at the end.
    """
    ours, theirs = pty.openpty()
    with tempfile.TemporaryFile("w+") as printed:
        process = warm.start(warm.ZOO, *arguments, stdout=printed.fileno(), stderr=theirs)
        os.close(theirs)
        said = _watch(process, ours, number)
        os.close(ours)
        code = warm.wait(process)
        printed.seek(0)
        words = said.decode().replace("\r", "").split("interrupted", 1)
        return code, printed.read(), "interrupted" + " ".join(words[-1].split())


def _watch(process: BaseProcess, ours: int, number: signal.Signals) -> bytes:
    """Send the signal when the bar counts; return all that was said until the end."""
    said, deadline_s = b"", time.monotonic() + LIMIT_S
    is_sent = False
    while time.monotonic() < deadline_s:
        ready, _, _ = select.select([ours], [], [], 1)
        try:
            block = os.read(ours, 4096) if ready else b" "
        except OSError:  # nobody holds the other side any more
            break
        said += block
        if not is_sent and f"/{MANY + 2}".encode() in said:
            warm.send(process, number)
            is_sent = True
    return said


def test_an_evaluation_that_is_terminated_says_how_far_it_came(
    digits: Path, tmp_path: Path
) -> None:
    """Slurm's SIGTERM: 143, one sentence, the file of an earlier run as it was."""
    result = tmp_path / "results" / "result.json"
    result.parent.mkdir()
    result.write_text("of yesterday")
    line = ("evaluate", "lenet5", str(digits), "--batch", "1", "--output", str(result))
    code, printed, said = stopped(signal.SIGTERM, *line)
    assert (code, printed) == (143, "")
    assert f"of {MANY + 2} images; nothing of it is kept, start again with: zoo evaluate" in said
    assert "Traceback" not in said
    assert result.read_text() == "of yesterday"
    assert [path.name for path in result.parent.iterdir()] == ["result.json"]


def test_predictions_that_are_known_are_printed(digits: Path) -> None:
    """Ctrl-C: 130, whole JSON of the images that are done."""
    line = ("predict", "lenet5", str(digits), "--batch", "1", "--json")
    code, printed, said = stopped(signal.SIGINT, *line)
    assert code == 130
    found = json.loads(printed)
    assert 0 < len(found) < MANY
    assert "what is known of them was printed, start again with: zoo predict" in said


def test_the_sentence_names_the_command_as_it_was_typed() -> None:
    """Quoted where the shell needs that."""
    stopping.listen(["registry", "pin", "timm/vit_*"])
    bar = StepProgress(steps="weights", kept="their pins are written", advice="go on with")
    bar("x", 3, 9)
    with pytest.raises(KeyboardInterrupt) as raised, bar:
        raise KeyboardInterrupt
    rest = "their pins are written, go on with: zoo registry pin 'timm/vit_*'"
    assert str(raised.value) == f"interrupted after 3 of 9 weights; {rest}"


def test_a_sentence_that_is_there_stays() -> None:
    """Who knows more than a count says it; other errors pass."""
    with pytest.raises(KeyboardInterrupt, match="kept: 3 MB"), StepProgress():
        raise KeyboardInterrupt("kept: 3 MB")
    with pytest.raises(ValueError, match="odd"), StepProgress():
        raise ValueError("odd")

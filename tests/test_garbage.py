"""Python looks for garbage seldom in the processes of zoo, and not at their end."""

import subprocess
import sys

import pytest

from zoo.garbage import NEW_OBJECTS

REPORT = """
import atexit, gc
atexit.register(lambda: print("frozen:", gc.get_freeze_count() > 0, gc.get_threshold()[0]))
"""


@pytest.mark.parametrize(
    ("program", "arguments"),
    [
        ("from zoo.cli.main import main", ["list", "--limit", "1"]),
        ("from zoo.cli.main import main", ["inspect", "no-such-model"]),
        ("from zoo.bench.worker import main", []),
    ],
)
def test_a_process_ends_without_a_last_look(program: str, arguments: list[str]) -> None:
    """Also one that ends with an error: what was imported is out of the collector's reach."""
    done = subprocess.run(
        [sys.executable, "-c", f"{REPORT}\n{program}\nmain()", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    said = (done.stdout + done.stderr).splitlines()
    assert f"frozen: True {NEW_OBJECTS}" in said


def test_a_program_that_imports_zoo_keeps_its_own_setting() -> None:
    """A library does not set what belongs to the program."""
    program = "import gc; before = gc.get_threshold(); import zoo; zoo.list_models()"
    program += "; assert gc.get_threshold() == before and gc.get_freeze_count() == 0"
    subprocess.run([sys.executable, "-c", program], check=True)

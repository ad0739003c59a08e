"""Progress bars cost nothing until there is progress."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
from zoo.download import events
from zoo.download.progress import progress_bars

with progress_bars() as listener:
    listener(events.Finished("net.pth", 100, was_cached=True))
print("rich" in sys.modules)
with progress_bars() as listener:
    listener(events.Warned("net.pth", "the first source is [dead]"))
print("rich" in sys.modules)
"""


def test_rich_is_imported_when_there_is_something_to_draw() -> None:
    """A cached model loads faster than rich imports; a warning is shown as it is, with markup."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "True"]
    assert "net.pth: the first source is [dead]" in done.stderr

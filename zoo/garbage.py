"""How often Python looks for garbage in the processes of zoo: seldom, and not at their end.

Importing torch and torchvision makes some hundred thousand objects that stay. Python looks through
them again and again while they come, and once more at the end of the process: decision 101 says
what that costs a command that needs torch and does little.
"""

from __future__ import annotations

import contextlib
import gc
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

NEW_OBJECTS = 10_000
"""How many objects may be made and not removed before Python looks through them.

Python's own number, 700 in Python 3.11, is for small programs. A much larger one gained nothing
more, and a mirror's server would hold more of what clients that are gone leave behind.
"""


@contextlib.contextmanager
def seldom_collected() -> Iterator[None]:
    """Look for garbage seldom in what runs here, the whole of a process, and not at its end."""
    gc.set_threshold(NEW_OBJECTS)
    try:
        yield
    finally:
        gc.freeze()

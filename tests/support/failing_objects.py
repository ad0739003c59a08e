"""A place for a mirror that dies or fails where a test says so: all else is the real one."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from zoo.mirror.store.objects import Objects

CHANGING = frozenset({"update", "touch", "take", "copy", "remove", "move"})


class PowerCutError(Exception):
    """The process ends here: whatever catches errors of ours does not catch this."""


class DyingObjects:
    """The objects of a real place until so many changes were made; then every one more is the end.

    Args:
        objects: The real place.
        steps: How many changes still succeed.
    """

    def __init__(self, objects: Objects, steps: int) -> None:
        self._objects = objects
        self._left = steps
        self.has_died = False

    def __getattr__(self, name: str) -> Any:
        """Return a method of the real place, counted if it changes anything."""
        found = getattr(self._objects, name)
        if name in CHANGING:
            return self._counted(found)
        return found

    def _counted(self, change: Callable[..., Any]) -> Callable[..., Any]:
        def step(*arguments: Any) -> Any:
            if self._left <= 0:
                self.has_died = True
                raise PowerCutError
            self._left -= 1
            return change(*arguments)

        return step


class BadSectorObjects:
    """The objects of a real place, of which one cannot be read."""

    def __init__(self, objects: Objects, key: str) -> None:
        self._objects = objects
        self._key = key

    def __getattr__(self, name: str) -> Any:
        """Return a method of the real place."""
        return getattr(self._objects, name)

    def open(self, key: str) -> Any:
        """Open an object, or fail as a disk does."""
        if key == self._key:
            raise OSError(errno.EIO, "Input/output error", key)
        return self._objects.open(key)

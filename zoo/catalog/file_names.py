"""What may be the name of a file on every system that people use."""

from __future__ import annotations

LONGEST_NAME_BYTES = 200
"""File systems allow 255; the longer names of unfinished downloads must fit as well."""
UNFINISHED_SUFFIXES = (".zoo-partial", ".zoo-journal")
_PORTS = {f"{port}{digit}" for port in ("com", "lpt") for digit in "123456789"}
_DEVICES = {
    "con",
    "prn",
    "aux",
    "nul",
    *_PORTS,
}
_FORBIDDEN = frozenset('/\\:*?"<>|')


def name_fault(name: str) -> str | None:
    """Say what keeps a string from being a plain file name everywhere, or ``None``.

    >>> name_fault("resnet18-f37072fd.pth")
    >>> name_fault("CON.pth")
    'is a device on Windows'
    """
    is_hidden = name == "" or name.startswith(".")
    if is_hidden or name.endswith((".", " ")):
        return "is empty, starts with a dot or ends with a dot or space"

    is_text = name.isprintable() and _FORBIDDEN.isdisjoint(name)
    if not is_text:
        return "has a slash, a control character or a letter that some systems forbid"

    stem, _, _ = name.partition(".")
    if stem.strip().lower() in _DEVICES:
        return "is a device on Windows"

    if name.endswith(UNFINISHED_SUFFIXES):
        return "ends like an unfinished download"

    length = len(name.encode())
    if length > LONGEST_NAME_BYTES:
        return f"has more than {LONGEST_NAME_BYTES} bytes"
    return None

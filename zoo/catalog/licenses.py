"""Licenses in groups, and what the words for them admit.

The words are ``permissive``, ``commercial``, SPDX identifiers and patterns.

A license is the one that the publisher of the *weights* states for them, which need not be that of
the code, nor of the images they were trained on. Weights whose license is not stated are admitted
by ``none`` alone. This is no legal advice.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

NO_LICENSE = "none"
PERMISSIVE = (
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC-BY-4.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "Unlicense",
    "Zlib",
)
"""Use, change and pass on, also for money; at most a notice is asked for."""
COPYLEFT = (
    "AGPL-3.0*",
    "CC-BY-SA-4.0",
    "GPL-2.0*",
    "GPL-3.0*",
    "LGPL-2.1*",
    "LGPL-3.0*",
    "MPL-2.0",
)
"""Commercial use is allowed; what is made of it must be passed on alike."""
NON_COMMERCIAL = (
    "*-NC",
    "*-NC-*",
    "*noncommercial*",
    "*non-commercial*",
    "*research-only*",
    "LicenseRef-apple-amlr",
    "LicenseRef-seer",
)
"""Nobody may earn money with it; the last two are known to say so in their text."""
WORDS = {
    "permissive": PERMISSIVE,
    "commercial": (*PERMISSIVE, *COPYLEFT),
}
"""Licenses of a company's own making (``LicenseRef-...``) are in none of these: read them, then
name them."""
NONE_STATED = "none stated"
_GROUPS = {
    "non-commercial": NON_COMMERCIAL,
    "copyleft": COPYLEFT,
    "permissive": PERMISSIVE,
}


def is_admitted(license: str | None, wanted: str) -> bool:
    """Tell whether a license is one of those that are wanted.

    Args:
        license: An SPDX identifier or ``LicenseRef-...``; ``None`` where none is stated.
        wanted: ``permissive``, ``commercial``, ``none``, identifiers or patterns, joined by commas.

    >>> is_admitted("MIT", "permissive"), is_admitted("CC-BY-NC-4.0", "commercial")
    (True, False)
    >>> is_admitted(None, "permissive, none"), is_admitted("LicenseRef-seer", "licenseref-*")
    (True, True)
    """
    known = (license or NO_LICENSE).lower()
    for word in wanted.split(","):
        plain = word.strip().lower()
        patterns = WORDS.get(plain, (plain,))
        if _fits(known, patterns):
            return True
    return False


def license_group(license: str | None) -> str:
    """Name the group of a license.

    >>> license_group("Apache-2.0"), license_group("CC-BY-NC-4.0"), license_group(None)
    ('permissive', 'non-commercial', 'none stated')
    """
    if not license:
        return NONE_STATED
    for group, patterns in _GROUPS.items():
        if _fits(license, patterns):
            return group
    return "other"


def forbids_commercial_use(license: str | None) -> bool:
    """Tell whether a license is known not to allow commercial use.

    A license of a company's own is known with and without ``LicenseRef-``.

    >>> forbids_commercial_use("CC-BY-NC-4.0"), forbids_commercial_use("apple-amlr")
    (True, True)
    """
    if license is None:
        return False
    reference = f"LicenseRef-{license}"
    is_plain = _fits(license, NON_COMMERCIAL)
    return is_plain or _fits(reference, NON_COMMERCIAL)


def _fits(license: str, patterns: Iterable[str]) -> bool:
    lowered = license.lower()
    return any(fnmatchcase(lowered, pattern.lower()) for pattern in patterns)

"""License names as SPDX writes them: publishers and Hugging Face write them in many ways."""

from __future__ import annotations

import re

_IDENTIFIERS = (
    "AFL-3.0",
    "AGPL-3.0-only",
    "Apache-2.0",
    "Artistic-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSD-3-Clause-Clear",
    "BSL-1.0",
    "CC-BY-2.0",
    "CC-BY-3.0",
    "CC-BY-4.0",
    "CC-BY-NC-2.0",
    "CC-BY-NC-3.0",
    "CC-BY-NC-4.0",
    "CC-BY-NC-ND-3.0",
    "CC-BY-NC-ND-4.0",
    "CC-BY-NC-SA-2.0",
    "CC-BY-NC-SA-3.0",
    "CC-BY-NC-SA-4.0",
    "CC-BY-ND-4.0",
    "CC-BY-SA-3.0",
    "CC-BY-SA-4.0",
    "CC0-1.0",
    "EPL-2.0",
    "GPL-2.0-only",
    "GPL-3.0-only",
    "GPL-3.0-or-later",
    "ISC",
    "LGPL-3.0-only",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "PDDL-1.0",
    "Unlicense",
    "Zlib",
)
_BY_LOWER_CASE = {identifier.lower(): identifier for identifier in _IDENTIFIERS}
_OLD_NAMES = {
    "agpl-3.0": "AGPL-3.0-only",
    "gpl-2.0": "GPL-2.0-only",
    "gpl-3.0": "GPL-3.0-only",
    "lgpl-3.0": "LGPL-3.0-only",
    "bsd": "BSD-3-Clause",
}


def identifier(name: str) -> str | None:
    """Return the SPDX identifier of a license, or ``None`` for one that SPDX does not list.

    >>> identifier("apache-2.0"), identifier("fair-noncommercial-research-license")
    ('Apache-2.0', None)
    """
    lowered = name.lower()
    return _BY_LOWER_CASE.get(lowered) or _OLD_NAMES.get(lowered)


def expression(name: str) -> str:
    """Return a license as an SPDX expression: one that SPDX does not list gets a name of its own.

    >>> expression("mit"), expression("Apple AMLR")
    ('MIT', 'LicenseRef-Apple-AMLR')
    """
    known = identifier(name)
    if known is not None:
        return known
    plain = re.sub(r"[^A-Za-z0-9.-]+", "-", name).strip("-")
    return f"LicenseRef-{plain}"

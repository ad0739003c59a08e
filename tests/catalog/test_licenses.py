"""Licenses stand in groups, by their identifiers."""

from __future__ import annotations

import pytest

from zoo.catalog.licenses import forbids_commercial_use, license_group


@pytest.mark.parametrize(
    ("license", "group"),
    [
        ("Apache-2.0", "permissive"),
        ("BSD-3-Clause", "permissive"),
        ("CC-BY-4.0", "permissive"),
        ("CC-BY-NC-4.0", "non-commercial"),
        ("CC-BY-NC-SA-4.0", "non-commercial"),
        ("CC-BY-SA-4.0", "copyleft"),
        ("AGPL-3.0", "copyleft"),
        ("LicenseRef-custom", "other"),
        (None, "none stated"),
    ],
)
def test_license_has_a_group(license: str | None, group: str) -> None:
    """What may be done with weights is asked by group."""
    assert license_group(license) == group


@pytest.mark.parametrize(
    ("license", "is_forbidden"),
    [
        ("CC-BY-NC-4.0", True),
        ("cc-by-nc-sa-2.0", True),
        ("FAIR-Noncommercial-Research-License", True),
        ("apple-amlr", True),
        ("LicenseRef-fair-noncommercial-research", True),
        ("LicenseRef-apple-ascl", False),
        ("Apache-2.0", False),
        ("CC-BY-4.0", False),
        ("CNCF-1.0", False),
        ("NCSA", False),
        (None, False),
    ],
)
def test_licenses_that_forbid_commercial_use_are_known(
    license: str | None, is_forbidden: bool
) -> None:
    """By the letters NC between hyphens, or by name."""
    assert forbids_commercial_use(license) is is_forbidden

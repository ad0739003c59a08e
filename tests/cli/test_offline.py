"""``zoo doctor`` and ``zoo bundle`` on weights that nobody has to bring."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cli.conftest import Run


def test_what_ships_with_the_package_needs_nothing(zoo: Run, tmp_path: Path) -> None:
    """The doctor finds it, and a bundle carries nothing for it."""
    (found,) = zoo("doctor", "lenet5", "--json").json
    assert found["fault"] is None
    assert Path(found["path"]).is_file()

    out = tmp_path / "out.zip"
    outcome = zoo("bundle", "create", str(out), "lenet5", "--json")
    assert (outcome.exit_code, outcome.json) == (0, [])
    assert "ships inside the package" in outcome.err
    assert zoo("bundle", "apply", str(out)).exit_code == 0

"""Every code block of README and of the documentation runs, and prints what the page shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.code_blocks import Shown, run_page

REPOSITORY = Path(__file__).parents[2]
FOLDERS = (REPOSITORY / "docs", REPOSITORY / "docs" / "tutorial", REPOSITORY / "docs" / "guides")
PAGES = [
    "README.md",
    *(str(path.relative_to(REPOSITORY)) for folder in FOLDERS for path in sorted(folder.glob("*.md"))),
]


@pytest.fixture
def at_the_top(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run as a reader does who has just cloned the repository."""
    monkeypatch.chdir(REPOSITORY)


@pytest.mark.parametrize("page", PAGES)
def test_page_shows_what_its_blocks_print(page: str, at_the_top: None, torch_home: Path) -> None:
    """To renew what a page shows: python scripts/update_docs_output.py PAGE."""
    text = (REPOSITORY / page).read_text()
    if "../shared/data" in text and not (REPOSITORY.parent / "shared" / "data").is_dir():
        pytest.skip("the real pictures and weights (shared/data beside the repository) are absent")
    wrong = [shown for shown in run_page(text, REPOSITORY, {}) if not shown.is_right]
    report = "\n".join(f"shown:\n{shown.expected}\nprinted:\n{shown.actual}" for shown in wrong)
    assert not wrong, report


def test_left_out_lines_match_and_other_lines_do_not() -> None:
    """The check can fail."""
    assert Shown(0, 0, "a\n...\nd\n", "a\nb\nc\nd\n").is_right
    assert Shown(0, 0, "a\n", "a  \n").is_right
    assert not Shown(0, 0, "a\nd\n", "a\nb\nd\n").is_right
    assert not Shown(0, 0, "a\n", "").is_right

"""Every code block of README and of the documentation runs, and prints what the page shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.code_blocks import GENERATED, Shown, languages, run_page, with_tables, written
from tests.support.command_lines import fault

REPOSITORY = Path(__file__).parents[2]
DOCS = REPOSITORY / "docs"
PAGES = ["README.md", *(str(path.relative_to(REPOSITORY)) for path in sorted(DOCS.rglob("*.md")))]
WRITTEN_PAGES = [
    page for page in PAGES if not (REPOSITORY / page).read_text().startswith(GENERATED)
]
RUN_PAGES = [
    page
    for page in WRITTEN_PAGES
    if {"python", "console"} & {*languages((REPOSITORY / page).read_text())}
]


@pytest.fixture
def at_the_top(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run as a reader does who has just cloned the repository."""
    monkeypatch.chdir(REPOSITORY)


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """Stand in for ``/tmp`` on a page."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("page", RUN_PAGES)
def test_page_shows_what_its_blocks_print(page: str, at_the_top: None, scratch: Path) -> None:
    """To renew what a page shows: python scripts/update_docs_output.py PAGE."""
    text = (REPOSITORY / page).read_text()
    if "../shared/data" in text and not (REPOSITORY.parent / "shared" / "data").is_dir():
        pytest.skip("the real images and weights (shared/data beside the repository) are absent")
    wrong = [shown for shown in run_page(text, REPOSITORY, scratch) if not shown.is_right]
    report = "\n".join(f"shown:\n{shown.expected}\nprinted:\n{shown.actual}" for shown in wrong)
    assert not wrong, report
    assert not list(scratch.iterdir()), (
        "the page leaves files in /tmp: end it with a block that removes them"
    )


@pytest.mark.parametrize("page", WRITTEN_PAGES)
def test_every_block_names_a_language_that_is_run_or_known_not_to_be(page: str) -> None:
    """A block called ``sh`` or nothing would be skipped in silence."""
    assert {*languages((REPOSITORY / page).read_text())} <= {
        "python",
        "console",
        "bash",
        "text",
        "json",
    }


@pytest.mark.parametrize("page", WRITTEN_PAGES)
def test_tables_taken_over_from_generated_pages_are_those_of_today(page: str) -> None:
    """To renew them: make docs, then python scripts/update_docs_output.py PAGE."""
    text = (REPOSITORY / page).read_text()
    assert with_tables(text, REPOSITORY) == text


def test_a_table_that_has_changed_is_renewed(tmp_path: Path) -> None:
    """Only the table is: what stands around it stays."""
    (tmp_path / "other.md").write_text("# Other\n\n| a |\n| --- |\n| 2 |\n\nEnd.\n")
    page = "Before.\n\n<!-- the table of other.md -->\n\n| a |\n| --- |\n| 1 |\n\nAfter.\n"
    assert with_tables(page, tmp_path) == page.replace("| 1 |", "| 2 |")


@pytest.mark.parametrize("page", WRITTEN_PAGES)
def test_commands_that_do_not_run_here_exist_with_their_options(
    page: str, at_the_top: None
) -> None:
    """What is behind ``bash`` or in a table is parsed by the program's own parser.

    ``make`` has the targets.
    """
    text = (REPOSITORY / page).read_text()
    in_spans = {*re.findall(r"`([^`\n]+)`", text)}
    lines = written(text)
    faults = {
        line: fault(line, may_be_unfinished=line in in_spans)
        for line in lines
        if line.startswith("zoo ")
    }
    assert {line: why for line, why in faults.items() if why} == {}
    targets = {*re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)}
    assert {line.split()[1] for line in lines if line.startswith("make ")} <= targets


def test_left_out_lines_match_and_other_lines_do_not() -> None:
    """The check can fail."""
    assert Shown(0, 0, "a\n...\nd\n", "a\nb\nc\nd\n").is_right
    assert Shown(0, 0, "a\n", "a  \n").is_right
    assert not Shown(0, 0, "a\nd\n", "a\nb\nd\n").is_right
    assert not Shown(0, 0, "a\n", "").is_right


def test_where_figures_vary_the_words_must_agree() -> None:
    """Numbers of any width may be others; a word, or a number more, may not."""
    page = "epoch  loss\n    1  0.25\nbest: epoch 1, 3.5 %\n"
    assert Shown(0, 0, page, page.replace("0.25", "17.125e-3"), is_varying=True).is_right
    assert not Shown(0, 0, page, page.replace("best", "worst"), is_varying=True).is_right
    assert not Shown(0, 0, page, page.replace("0.25", "0.25 0.5"), is_varying=True).is_right
    assert not Shown(0, 0, page, page.replace("0.25", "0.26")).is_right


def test_a_page_with_a_wrong_output_is_found_out(tmp_path: Path) -> None:
    """Both kinds of blocks are run, with a folder of their own for /tmp."""
    page = (
        "```python\nprint('/tmp', 1 + 1)\n```\n\n```text\n/tmp 3\n```\n"
        "```console\n$ echo /tmp >/tmp/a; cat /tmp/a\nelsewhere\n$ echo b\nb\n```\n"
    )
    first, second, third = run_page(page, tmp_path, tmp_path)
    assert first.actual.split()[1] == "2"
    assert first.actual.split()[0] == first.expected.split()[0]
    assert second.actual.split() == first.actual.split()[:1]
    assert [shown.is_right for shown in (first, second, third)] == [False, False, True]
    assert (tmp_path / "a").is_file()


@pytest.mark.parametrize("page", ["", "Words.\n", "```python\nprint(1)\n```\n"])
def test_a_page_may_show_no_output(page: str, tmp_path: Path) -> None:
    """`make docs` runs every page, also those without blocks."""
    assert run_page(page, tmp_path, tmp_path) == []


def test_a_command_goes_on_behind_a_backslash(tmp_path: Path) -> None:
    """Long commands stand on two lines."""
    (shown,) = run_page("```console\n$ echo a \\\n    b\na b\n```\n", tmp_path, tmp_path)
    assert (shown.expected, shown.actual) == ("a b\n", "a b\n")


def test_a_block_may_show_a_terminal_of_a_width(tmp_path: Path) -> None:
    """With what the program says on stderr, as a person sees it; a failure stops the page too."""
    fence = '```console title="on a terminal of 77 columns"'
    (shown,) = run_page(f"{fence}\n$ stty size; echo b >&2\n40 77\nb\n```\n", tmp_path, tmp_path)
    assert shown.is_right
    with pytest.raises(RuntimeError, match="false failed"):
        run_page(f"{fence}\n$ false\n```\n", tmp_path, tmp_path)


def test_a_command_that_fails_stops_the_page(tmp_path: Path) -> None:
    """A page must not go on as if nothing had happened."""
    with pytest.raises(RuntimeError, match="false failed"):
        run_page("```console\n$ false\n```\n", tmp_path, tmp_path)


def test_faults_of_commands_are_found_without_running_them() -> None:
    """An option that was renamed, a command that went, an argument too many."""
    assert fault("zoo list --family resnet | head", may_be_unfinished=False) is None
    assert "NoSuchOption" in (fault("zoo list --familie resnet", may_be_unfinished=True) or "")
    assert "No such command" in (fault("zoo cache empty", may_be_unfinished=True) or "")
    assert "unexpected extra argument" in (
        fault("zoo inspect resnet18 vgg16", may_be_unfinished=True) or ""
    )
    assert fault("zoo train", may_be_unfinished=True) is None
    assert fault("zoo train", may_be_unfinished=False) is not None
    assert fault("zoo --install-completion", may_be_unfinished=False) is None

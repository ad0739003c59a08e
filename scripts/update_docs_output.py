"""Renew the outputs that README and the documentation show.

    python scripts/update_docs_output.py                                            # every page
    python scripts/update_docs_output.py README.md docs/tutorial/1-convolution.md

Outputs with a line of three dots are left as they are: a person chose what to leave out.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
DATA = "../shared/data"
sys.path.insert(0, str(REPOSITORY))

from tests.support.code_blocks import ELLIPSIS, GENERATED, run_page, with_tables  # noqa: E402 - the repository comes first on the path


def main() -> None:
    """Run each page that is named, or every one, and write what its blocks print into it."""
    os.chdir(REPOSITORY)
    pages = sorted(Path("docs").rglob("*.md"))
    every = ["README.md", *map(str, pages)]

    for name in sys.argv[1:] or every:
        page = Path(name)
        text = page.read_text(encoding="utf-8")
        if text.startswith(GENERATED):
            continue

        needs_data = DATA in text
        if needs_data and not Path(DATA).is_dir():
            print(f"{name}: left as it is, for want of the real images and weights in {DATA}")
            continue

        renewed = with_tables(with_output(text), REPOSITORY)
        page.write_text(renewed, encoding="utf-8")
        print(name)


def with_output(text: str) -> str:
    """Put what the blocks of a page print where they show something else."""
    with tempfile.TemporaryDirectory() as torch_home, tempfile.TemporaryDirectory() as scratch:
        os.environ["TORCH_HOME"] = torch_home
        outputs = run_page(text, REPOSITORY, Path(scratch))

    for shown in reversed(outputs):  # from the end, so that the places before stay
        expected = shown.expected.split("\n")
        if shown.is_right or ELLIPSIS in expected:
            continue
        lines = [f"{line.rstrip()}\n" for line in shown.actual.splitlines()]
        before = text[: shown.start]
        behind = text[shown.end :]
        text = before + "".join(lines) + behind
    return text


if __name__ == "__main__":
    main()

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
sys.path.insert(0, str(REPOSITORY))

from tests.support.code_blocks import ELLIPSIS, GENERATED, run_page, with_tables  # noqa: E402 - the repository comes first on the path


def main() -> None:
    """Run each page that is named, or every one, and write what its blocks print into it."""
    os.chdir(REPOSITORY)
    for name in sys.argv[1:] or ["README.md", *map(str, sorted(Path("docs").rglob("*.md")))]:
        page = Path(name)
        text = page.read_text(encoding="utf-8")
        if text.startswith(GENERATED):
            continue
        if "../shared/data" in text and not Path("../shared/data").is_dir():
            print(
                f"{name}: left as it is, for want of the real images and weights in ../shared/data"
            )
            continue
        with tempfile.TemporaryDirectory() as torch_home, tempfile.TemporaryDirectory() as scratch:
            os.environ["TORCH_HOME"] = torch_home
            for shown in reversed(run_page(text, REPOSITORY, Path(scratch))):
                if not shown.is_right and ELLIPSIS not in shown.expected.split("\n"):
                    lines = "".join(f"{line.rstrip()}\n" for line in shown.actual.splitlines())
                    text = text[: shown.start] + lines + text[shown.end :]
        page.write_text(with_tables(text, REPOSITORY), encoding="utf-8")
        print(name)


if __name__ == "__main__":
    main()

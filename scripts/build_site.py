"""Build the documentation's site: the pages with Zensical, the registry's own site under catalog/.

    python -m scripts.build_site [FOLDER]      site/ by default

Zensical reads ``mkdocs.yml`` and writes beside it, so it works on a copy: nothing is left in the
checkout, and two builds at once do not meet. Any warning, such as a link to a page that is not
there, ends the build.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from zoo.site.build import render_site, write_site
from zoo.site.data import Content

REPOSITORY = Path(__file__).resolve().parents[1]


def build(folder: Path) -> None:
    """Build into a folder; what was there before goes.

    Raises:
        SystemExit: A page has a fault; it is named on stderr.
    """
    with tempfile.TemporaryDirectory(prefix="zoo-site-") as name:
        copy = Path(name)
        shutil.copytree(REPOSITORY / "docs", copy / "docs")
        shutil.copy2(REPOSITORY / "mkdocs.yml", copy)
        _run_zensical(copy)

        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(copy / "site", folder)

    files = render_site(Content())
    write_site(files, folder / "catalog")


def _run_zensical(folder: Path) -> None:
    """Build in a folder that holds the settings and the pages."""
    command = [sys.executable, "-m", "zensical", "build", "--strict"]
    done = subprocess.run(
        command,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    story = done.stdout.replace(str(folder), "")
    if done.returncode:
        fault, _, _ = story.partition("Traceback (most recent call last)")
        raise SystemExit(fault.rstrip())


if __name__ == "__main__":
    _, *PLACES = sys.argv
    build(Path(PLACES[0]) if PLACES else REPOSITORY / "site")

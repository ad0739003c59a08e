"""Everyday download programs, unmodified: how each is told to fetch one address into one file."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

URLLIB = """
import sys, urllib.request
with urllib.request.urlopen(sys.argv[1], timeout=30) as answer, open(sys.argv[2], "wb") as file:
    while block := answer.read(128 * 1024):  # as torch.hub does
        file.write(block)
"""
REQUESTS = """
import sys, requests
with requests.get(sys.argv[1], stream=True, timeout=30) as answer, open(sys.argv[2], "wb") as file:
    answer.raise_for_status()
    for block in answer.iter_content(128 * 1024):
        file.write(block)
"""
HTTPX = """
import ssl, sys, httpx2
with httpx2.Client(verify=ssl.create_default_context(), timeout=30) as client:
    with client.stream("GET", sys.argv[1]) as answer, open(sys.argv[2], "wb") as file:
        answer.raise_for_status()
        for block in answer.iter_bytes():
            file.write(block)
"""
PROGRAMS = {
    "urllib": (sys.executable, "-c", URLLIB, "{url}", "{file}"),
    "requests": (sys.executable, "-c", REQUESTS, "{url}", "{file}"),
    "httpx": (sys.executable, "-c", HTTPX, "{url}", "{file}"),
    "curl": ("curl", "-sS", "--fail", "--cacert", "{ca}", "-o", "{file}", "{url}"),
    "wget": ("wget", "-nv", "--tries=1", "--ca-certificate={ca}", "-O", "{file}", "{url}"),
    "aria2c": (
        *("aria2c", "-q", "--max-tries=1", "--ca-certificate={ca}"),
        *("-d", "{folder}", "-o", "{name}", "{url}"),
    ),
}
"""Program -> command; each exits with 0 if it believes to have the whole file."""


@dataclass(frozen=True)
class Target:
    """One address to fetch."""

    url: str
    ca: Path
    """The certificates to trust."""
    proxy: str | None = None
    """The HTTPS proxy to go through."""


def is_installed(program: str) -> bool:
    """Tell whether a program is on this machine."""
    return shutil.which(PROGRAMS[program][0]) is not None


def start(
    program: str,
    target: Target,
    file: Path,
) -> subprocess.Popen[str]:
    """Start a download."""
    values = {"{url}": target.url, "{ca}": str(target.ca), "{file}": str(file)}
    values |= {"{folder}": str(file.parent), "{name}": file.name}
    command = [_filled(part, values) for part in PROGRAMS[program]]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        env={**os.environ, **_environment(target)},
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Wait for a download; return its exit code and what it said."""
    with process:
        said, _ = process.communicate(timeout=60)
    return process.returncode, said


def _filled(part: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        part = part.replace(name, value)
    return part


def _environment(target: Target) -> Mapping[str, str]:
    trusted = dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"), str(target.ca))
    if target.proxy is None:
        return trusted
    return trusted | dict.fromkeys(("https_proxy", "HTTPS_PROXY"), target.proxy)

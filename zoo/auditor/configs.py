"""Read what a configuration would make a program fetch: YAML, JSON, TOML and INI files.

A configuration is read line by line, so that places can be named and no parser of YAML is needed.
Three things are looked for: addresses of weights files, ``hf-hub:`` names, and the keys by which
frameworks name a model of Hugging Face.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.auditor.clients import hub_model, is_repository_id, is_weights_address
from zoo.auditor.findings import Place, Use

if TYPE_CHECKING:
    from collections.abc import Iterator

SUFFIXES = (".yaml", ".yml", ".json", ".toml", ".cfg", ".ini")
MODEL_KEYS = frozenset(
    {
        "pretrained_model_name_or_path", "model_name_or_path", "base_model_name_or_path",
        "hf_model_id", "hf_repo_id", "repo_id", "hub_model_id",
    }
)  # fmt: skip
REVISION_KEYS = frozenset({"revision", "model_revision", "hf_revision"})
_SETTING = re.compile(
    r"""^(?P<indent>[\s-]*)["']?(?P<key>[\w.-]+)["']?\s*[:=]\s*(?P<value>.*?),?\s*$"""
)
_ADDRESS = re.compile(r"""https?://[^\s"'<>,\]})]+""")
_HUB_NAME = re.compile(r"""\bhf[-_]hub:[^\s"'<>,\]})]+""")
_COMMENT = re.compile(r"(^|\s)[#;].*$")
_IGNORE = re.compile(r"#\s*zoo:\s*ignore\b")


@dataclass(frozen=True, slots=True)
class Setting:
    """One line ``key: value``."""

    line: int
    indent: int
    key: str
    """Empty for a line of another form: a bracket, a heading."""
    value: str
    begins_item: bool
    """Whether it is the first of an item of a list, as YAML marks with a dash."""


def read(text: str, file: str) -> list[Use]:
    """List what a configuration names."""
    lines = text.split("\n")
    settings = [_setting(number, line) for number, line in enumerate(lines, start=1)]
    uses: list[Use] = []
    for number, line in enumerate(lines, start=1):
        if _IGNORE.search(line):
            continue
        plain = line if file.endswith(".json") else _COMMENT.sub("", line)
        uses += _addresses(plain, file, number)
        setting = settings[number - 1]
        if setting is not None and setting.key in MODEL_KEYS:
            uses += _model(
                setting,
                settings,
                file,
                line,
            )
    return uses


def _addresses(
    line: str,
    file: str,
    number: int,
) -> Iterator[Use]:
    for match in _ADDRESS.finditer(line):
        if is_weights_address(match[0]):
            yield Use(
                _place(file, number, *match.span()),
                "a setting",
                "url",
                match[0],
                marks=frozenset({"plain-download"}),
            )
    for match in _HUB_NAME.finditer(line):
        hub = hub_model(match[0])
        if hub is not None:
            yield Use(
                _place(file, number, *match.span()),
                "a setting",
                "huggingface",
                hub[0],
                hub[1],
            )


def _model(
    setting: Setting,
    settings: list[Setting | None],
    file: str,
    line: str,
) -> Iterator[Use]:
    name = setting.value
    if "/" not in name or not is_repository_id(name):
        return

    revision = None
    for one in _siblings(setting, settings):
        if one.key in REVISION_KEYS:
            revision = one.value
            break

    begin = line.index(name)
    end = begin + len(name)
    yield Use(
        _place(file, setting.line, begin, end),
        setting.key,
        "huggingface",
        name,
        revision,
    )


def _place(
    file: str,
    line: int,
    begin: int,
    end: int,
) -> Place:
    """Say where a part of a line stands; it is counted from 0 here, from 1 there."""
    return Place(
        file=file,
        line=line,
        column=begin + 1,
        end_line=line,
        end_column=end + 1,
    )


def _siblings(setting: Setting, settings: list[Setting | None]) -> Iterator[Setting]:
    """Yield the settings of the same block: as far indented, with nothing less so between."""
    index = setting.line - 1
    below = [other for other in settings[index + 1 :] if other is not None]
    above = [other for other in settings[:index] if other is not None]

    for other in below:
        if other.begins_item or other.indent < setting.indent:
            break
        if other.indent == setting.indent:
            yield other

    if setting.begins_item:
        return
    for other in reversed(above):
        if other.indent < setting.indent:
            break
        if other.indent == setting.indent:
            yield other
        if other.begins_item:
            break


def _setting(number: int, line: str) -> Setting | None:
    """Read one line; nothing is made of empty lines and comments."""
    plain = line.strip()
    if not plain or plain.startswith(("#", ";")):
        return None
    begins_item = plain.startswith("- ")
    match = _SETTING.match(line)
    if plain.startswith("[") or match is None:
        is_heading = plain.startswith("[") and plain.endswith("]")
        unindented = line.lstrip()
        indent = -1 if is_heading else len(line) - len(unindented)
        return Setting(
            number,
            indent,
            "",
            "",
            begins_item,
        )
    value = _COMMENT.sub("", match["value"]).strip().strip("\"'")
    return Setting(
        number,
        len(match["indent"]),
        match["key"],
        value,
        begins_item,
    )

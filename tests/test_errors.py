"""Every error says what it is about, what is wrong and what to do, in other processes too."""

from __future__ import annotations

import inspect
import multiprocessing
import pickle
import re
import tomllib
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from zoo import errors
from zoo.errors import (
    CacheError,
    FetchError,
    SourceError,
    UnknownNameError,
    ZooError,
    install_command,
)

REPOSITORY = Path(__file__).parents[1]
CLASSES = {
    name: value
    for name, value in vars(errors).items()
    if inspect.isclass(value) and issubclass(value, ZooError)
}
ANSWERS: dict[str, Any] = {
    "position": 3,
    "line_number": 7,
    "kept_bytes": 11,
    "retry_after_s": 2.5,
    "status": 503,
    "is_retryable": True,
    "nearest": ("resnet34",),
    "devices": ("cpu", "cuda:0"),
    "differences": ("conv1.weight is missing",),
    "differing": {"precision": ("fp32", "bf16")},
    "failures": (SourceError("https://a.example", "it is closed", status=503),),
}
"""Arguments that are no text."""


def example(name: str) -> ZooError:
    """Make an error of a class, each argument of text being the argument's name."""
    parameters = inspect.signature(CLASSES[name]).parameters.values()
    given: dict[str, Any] = {}
    for parameter in parameters:
        given[parameter.name] = ANSWERS.get(parameter.name, parameter.name)
    if name in {"ZooError", "UsageError", "ShapeError", "BenchError"}:
        del given["opening"]
    return CLASSES[name](**given)


def drawn_tree() -> dict[str, str]:
    """Read the tree in the docstring: each class with the one above it."""
    above: dict[str, str] = {}
    at_depth = {0: "ZooError"}

    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"    ((?:│   |    )*)[├└]── (\w+)", line)
        if found is None:
            continue
        depth = len(found[1]) // 4 + 1
        above[found[2]] = at_depth[depth - 1]
        at_depth[depth] = found[2]

    return above


def raise_a_nested_error() -> None:
    """Fail in a worker process."""
    failure = SourceError("https://a.example", "it is closed", is_retryable=True, status=503)
    raise FetchError("a.pth", [failure], kept_bytes=5)


def test_the_drawn_tree_is_that_of_the_classes() -> None:
    """A class that is added or moved is drawn where it stands."""
    expected: dict[str, str] = {}
    for name, value in CLASSES.items():
        for base in value.__bases__:
            if issubclass(base, ZooError):
                expected[name] = base.__name__

    assert drawn_tree() == expected


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_the_message_is_made_from_subject_fault_and_advice(name: str) -> None:
    """Whoever shows an error otherwise than as one line finds its parts."""
    error = example(name)
    assert error.subject
    assert error.fault
    assert error.advice
    assert error.subject in str(error)
    # A failure of one source stands in lists, which have one advice at their end.
    is_listed = isinstance(error, SourceError)
    end = error.fault if is_listed else f"{error.fault}; {error.advice}"
    assert str(error).endswith(end)


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_every_error_survives_pickling(name: str) -> None:
    """Worker processes raise them too; no fact is lost on the way."""
    error = example(name)
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - made in the line above
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert again.args == error.args

    facts, facts_again = dict(vars(error)), dict(vars(again))
    failures = [str(failure) for failure in facts.pop("failures", ())]
    assert [str(failure) for failure in facts_again.pop("failures", ())] == failures
    assert facts_again == facts


def test_an_error_of_a_worker_process_is_raised_as_it_was() -> None:
    """With its class, its message and the errors inside it."""
    spawned = multiprocessing.get_context("spawn")
    with (
        ProcessPoolExecutor(1, mp_context=spawned) as workers,
        pytest.raises(
            FetchError, match=r"a\.pth: https://a\.example: it is closed; 5 bytes"
        ) as caught,
    ):
        workers.submit(raise_a_nested_error).result()
    assert caught.value.failures[0].status == 503


def test_an_advised_installation_is_one_that_works_here() -> None:
    """From a clone the clone is installed, since no index may have the package."""
    clone = Path(errors.__file__).parents[1]
    assert install_command("plot") == f'pip install -e "{clone}[plot]"'
    assert (clone / "pyproject.toml").is_file()


def test_every_extra_that_is_advised_exists() -> None:
    """In `pyproject.toml`, with a word on what it is for."""
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    extras = set(settings["project"]["optional-dependencies"])
    advised: set[str] = set()

    for path in (REPOSITORY / "zoo").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        advised.update(re.findall(r'MissingPackageError\([^()]*"(\w+)"\)', text))
        advised.update(re.findall(r'(?<!_)extra="(\w+)"', text))
        advised.update(re.findall(r"install_command\(['\"](\w+)['\"]\)", text))

    assert {"plot", "train", "mirror", "tensorrt"} <= advised
    assert advised <= extras
    page = (REPOSITORY / "docs" / "install.md").read_text(encoding="utf-8")
    assert extras - {"dev"} == set(re.findall(r"^\| `(\w+)` \| .+ \| .+ \|$", page, re.MULTILINE))


def test_without_subject_or_advice_the_message_has_no_dangling_marks() -> None:
    """No colon opens it, no semicolon ends it."""
    assert str(ZooError("it is broken")) == "it is broken"
    assert str(ZooError("it is broken", subject="a.pth")) == "a.pth: it is broken"
    assert str(CacheError("a.pth", "it is broken", "get it again")) == (
        "a.pth: it is broken; get it again"
    )
    assert str(UnknownNameError("model", "resnet19")) == "no model is called 'resnet19'"
    assert str(UnknownNameError("model", "resnet19", ["resnet18"], "see zoo list")) == (
        "no model is called 'resnet19'; did you mean resnet18? see zoo list"
    )

"""Reading registry.json: a fault is refused with its JSON path (fault catalogue, 43 to 47)."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest

from zoo.catalog.entries import METRICS
from zoo.catalog.places import find_registry
from zoo.catalog.registry import load_registry, parse_registry
from zoo.errors import RegistryError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Content = dict[str, Any]
MODEL = "$.architectures.resnet18"
WEIGHTS = f"{MODEL}.weights.imagenet1k_v1"
FILE = f"{WEIGHTS}.files[0]"


@pytest.fixture(scope="module")
def real_content() -> Content:
    """The registry that ships with zoo, cut down to two architectures."""
    content: Content = json.loads(find_registry().read_text(encoding="utf-8"))
    content["architectures"] = {
        name: content["architectures"][name] for name in ("resnet18", "resnet34")
    }
    return content


@pytest.fixture
def content(real_content: Content) -> Content:
    """A copy to break."""
    return copy.deepcopy(real_content)


def refusal(text: str) -> RegistryError:
    """Parse a registry that must be refused."""
    with pytest.raises(RegistryError) as caught:
        parse_registry(text, "made-up.json")
    return caught.value


def test_the_shipped_registry_is_accepted() -> None:
    """All models are read, each under its own name."""
    registry = load_registry()
    assert len(registry.architectures) >= 121
    assert all(name == architecture.name for name, architecture in registry.architectures.items())


def test_weights_name_their_classes() -> None:
    """``weights.categories`` is a list of labels, as long as the network has outputs."""
    architectures = load_registry().architectures
    segmenter = architectures["fcn_resnet50"].default
    assert segmenter is not None
    assert segmenter.categories is not None
    assert segmenter.categories[:2] == ["__background__", "aeroplane"]
    assert len(segmenter.categories) == segmenter.num_classes

    flow = architectures["raft_small"].default
    assert flow is not None
    assert flow.categories is None


def test_every_published_metric_has_a_column() -> None:
    """A figure that torchvision states is listed, sorted by and filtered on."""
    published = set()
    for architecture in load_registry().architectures.values():
        for weights in architecture.weights.values():
            published |= set(weights.metrics or {})
    assert published == set(METRICS)


def test_imagenet_category_names_are_stored_once_and_told_apart() -> None:
    """WordNet calls two classes crane and two maillot; torchvision's names differ, so do ours."""
    names = load_registry().categories["imagenet1k"]
    assert len(names) == len(set(names)) == 1000
    assert (names[134], names[517]) == ("crane bird", "crane")
    assert (names[638], names[639]) == ("maillot", "maillot tank suit")


@pytest.mark.parametrize(
    ("text", "path", "words"),
    [
        ("", "$", "not JSON"),
        ("{", "$", "not JSON"),
        ('{"schema_version": 1, "architectures": {"a": ', "$", "not JSON"),
        ("[]", "$", "expected an object, got an array"),
        ("null", "$", "expected an object, got null"),
        ("7", "$", "expected an object, got the number 7"),
        ('{"schema_version": 2}', "$.schema_version", "expected schema version 1, got 2"),
        ('{"schema_version": "1"}', "$.schema_version", "expected schema version 1, got '1'"),
        ("{}", "$.schema_version", "expected schema version 1, got None"),
        ("[" * 100_000, "$", "nested too deeply"),
    ],
)
def test_what_is_no_registry_is_refused(text: str, path: str, words: str) -> None:
    """Not JSON, cut JSON, a wrong top type, an unknown version, endless nesting."""
    error = refusal(text)
    assert error.json_path == path
    assert words in str(error)
    assert "made-up.json" in str(error)


def test_duplicate_key_is_refused() -> None:
    """The second of two equal keys does not silently win."""
    error = refusal('{"schema_version": 1, "architectures": {"resnet18": {}, "resnet18": {}}}')
    assert error.json_path == "$..resnet18"
    assert "stands twice" in str(error)


def put(*keys: str | int, value: Any) -> Callable[[Content], None]:
    """Make a function that changes one value of resnet18's record."""

    def change(content: Content) -> None:
        place: Any = content["architectures"]["resnet18"]
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value

    return change


def put_in_weights(*keys: str | int, value: Any) -> Callable[[Content], None]:
    """Make a function that changes one value of the record of resnet18's weights."""
    return put("weights", "imagenet1k_v1", *keys, value=value)


def drop(*keys: str) -> Callable[[Content], None]:
    """Make a function that removes one field of resnet18's record."""

    def change(content: Content) -> None:
        place = content["architectures"]["resnet18"]
        for key in keys[:-1]:
            place = place[key]
        del place[keys[-1]]

    return change


FIELD_FAULTS: list[tuple[Callable[[Content], None], str, str]] = [
    (drop("title"), MODEL, "missing field 'title'"),
    (drop("paper", "year"), f"{MODEL}.paper", "missing field 'year'"),
    (put("color", value="red"), f"{MODEL}.color", "unknown field"),
    (put("title", value=5), f"{MODEL}.title", "expected text, got the number 5"),
    (put("title", value=None), f"{MODEL}.title", "expected text, got null"),
    (put("year", value="2015"), f"{MODEL}.year", "expected a whole number, got text"),
    (put("year", value=2015.0), f"{MODEL}.year", "expected a whole number, got the number 2015.0"),
    (put("year", value=True), f"{MODEL}.year", "expected a whole number, got a boolean"),
    (put("parameters", value=-1), f"{MODEL}.parameters", "from 0 to 2^63-1"),
    (put("parameters", value=2**63), f"{MODEL}.parameters", "from 0 to 2^63-1"),
    (put("input_size", value={"0": 3}), f"{MODEL}.input_size", "expected an array, got an object"),
    (
        put("input_size", value=[3, "224", 224]),
        f"{MODEL}.input_size[1]",
        "expected a whole number, got text",
    ),
    (put("weights", value=[]), f"{MODEL}.weights", "expected an object, got an array"),
    (put("task", value="cooking"), f"{MODEL}.task", "expected one of 'classification'"),
    (
        put("preprocessing", "mean", value=[float("nan")]),
        f"{MODEL}.preprocessing.mean[0]",
        "finite number",
    ),
    (
        put("preprocessing", "mean", value=[float("inf")]),
        f"{MODEL}.preprocessing.mean[0]",
        "finite number",
    ),
    (put("preprocessing", "mean", value=[-0.5]), f"{MODEL}.preprocessing.mean[0]", "not negative"),
    (put("default_weights", value="v9"), f"{MODEL}.default_weights", "no weights are called 'v9'"),
    (put("name", value="resnet19"), f"{MODEL}.name", "expected 'resnet18'"),
    (put_in_weights("tag", value="IMAGENET1K_V1"), f"{WEIGHTS}.tag", "in lower case"),
    (
        put_in_weights("category_set", value="animals"),
        f"{WEIGHTS}.category_set",
        "$.categories has no 'animals'",
    ),
]


@pytest.mark.parametrize(
    ("change", "path", "words"), FIELD_FAULTS, ids=[f"{p}: {w}" for _, p, w in FIELD_FAULTS]
)
def test_a_faulty_field_is_named_by_its_path(
    content: Content, change: Callable[[Content], None], path: str, words: str
) -> None:
    """A missing, unknown, mistyped, negative, huge or not finite value."""
    change(content)
    error = refusal(json.dumps(content))
    assert error.json_path == path
    assert words in str(error)


@pytest.mark.parametrize(
    "name",
    [
        "../x.pth",
        "/x.pth",
        "a/b.pth",
        "C:\\x.pth",
        "..",
        ".hidden",
        "",
        "x\x00.pth",
        "x\n.pth",
        "x\x1b[31m.pth",
        "x y.pth",
        "-rf",
        "ä.pth",
        "x" * 201,
    ],
)
def test_a_file_name_that_could_leave_its_folder_is_refused(content: Content, name: str) -> None:
    """Path separators, parents, hidden names, control characters, options, names too long."""
    put_in_weights("files", 0, "file_name", value=name)(content)
    error = refusal(json.dumps(content))
    assert error.json_path == f"{FILE}.file_name"
    assert str(error).replace("\n", "").isprintable(), "a terminal must not see raw escapes"


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/x.pth",
        "file:///etc/passwd",
        "example.org/x.pth",
        "https://user:secret@example.org/x.pth",
        "https://user@example.org/x.pth",
        "https://localhost/x.pth",
        "https://127.0.0.1/x.pth",
        "https://10.0.0.1/x.pth",
        "https://[::1]/x.pth",
        "https://printer.local/x.pth",
        "https://",
        "https://[bad/x.pth",
    ],
)
def test_a_url_that_is_not_public_is_refused(content: Content, url: str) -> None:
    """Other schemes, credentials, this machine, addresses, no host."""
    put_in_weights("files", 0, "url", value=url)(content)
    error = refusal(json.dumps(content))
    assert error.json_path == f"{FILE}.url"
    assert "secret" not in str(error)


@pytest.mark.parametrize(
    ("field", "digest"),
    [
        ("sha256", "ab" * 31),
        ("sha256", "AB" * 32),
        ("sha256", "xy" * 32),
        ("sha256", ""),
        ("sha256_prefix", "abc"),
        ("sha256_prefix", "f37072fg"),
        ("sha256_prefix", "ab" * 32),
    ],
)
def test_a_digest_of_wrong_length_or_letters_is_refused(
    content: Content, field: str, digest: str
) -> None:
    """A whole digest has 64 lower-case hex digits, a prefix 6 to 63."""
    put_in_weights("files", 0, field, value=digest)(content)
    assert refusal(json.dumps(content)).json_path == f"{FILE}.{field}"


def test_one_file_name_with_two_digests_is_refused(content: Content) -> None:
    """Two records cannot both own a name in the cache."""
    first = content["architectures"]["resnet18"]["weights"]["imagenet1k_v1"]["files"][0]
    second = content["architectures"]["resnet34"]["weights"]["imagenet1k_v1"]["files"][0]
    second["file_name"] = first["file_name"]
    error = refusal(json.dumps(content))
    assert error.json_path == "$.architectures.resnet34.weights.imagenet1k_v1.files[0].file_name"
    assert "another hash" in str(error)


def test_a_file_from_nowhere_is_refused(content: Content) -> None:
    """A file has a URL or lies in the package."""
    put_in_weights("files", 0, "url", value=None)(content)
    assert refusal(json.dumps(content)).json_path == f"{FILE}.url"


def test_a_packaged_path_that_leaves_the_package_is_refused(content: Content) -> None:
    """No parents in a path inside the package."""
    put_in_weights("files", 0, "url", value=None)(content)
    put_in_weights("files", 0, "packaged", value="../../etc/passwd")(content)
    assert refusal(json.dumps(content)).json_path == f"{FILE}.packaged"


def test_an_error_over_100_percent_is_refused(content: Content) -> None:
    """Errors are percentages."""
    entry = {
        "metric": "top5",
        "error_percent": 101,
        "split": "test",
        "models": 1,
        "source": "x",
        "is_verified": True,
    }
    put("published", value=[entry])(content)
    assert refusal(json.dumps(content)).json_path == f"{MODEL}.published[0].error_percent"


def test_a_model_name_with_capitals_is_refused(content: Content) -> None:
    """Names are lower-case letters, digits and underscores."""
    record = content["architectures"].pop("resnet18")
    content["architectures"]["ResNet18"] = {**record, "name": "ResNet18"}
    assert refusal(json.dumps(content)).json_path == "$.architectures.ResNet18"


def test_a_file_that_cannot_be_read_is_a_registry_error(tmp_path: Path) -> None:
    """A folder, a missing file and bytes that are no text are all refused in one sentence."""
    binary = tmp_path / "binary.json"
    binary.write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path, tmp_path / "missing.json", binary):
        with pytest.raises(RegistryError, match="cannot be read"):
            load_registry(path)

"""What may be asked for, and which names become paths."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.errors import MirrorError, UnknownNameError, UsageError
from zoo.mirror import index, layout, specs
from zoo.mirror.ecosystems import known as ecosystems
from zoo.mirror.index import Index, Item, StoredFile
from zoo.mirror.specs import HuggingFaceSpec, ModelSpec, RepositorySpec

COMMIT = "c" * 40


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("resnet18", ModelSpec("resnet18", "imagenet1k_v1")),
        ("resnet50:imagenet1k_v1", ModelSpec("resnet50", "imagenet1k_v1")),
        ("pytorch/vision:v0.20.0", RepositorySpec("pytorch/vision", "v0.20.0")),
        ("owner/repo", RepositorySpec("owner/repo")),
        ("owner/repo:feature/x", RepositorySpec("owner/repo", "feature/x")),
        ("hf:timm/resnet18.a1_in1k", HuggingFaceSpec("timm/resnet18.a1_in1k", "main")),
        ("hf:gpt2@v1.0", HuggingFaceSpec("gpt2", "v1.0")),
    ],
)
def test_the_three_forms_are_read_and_written_alike(text: str, spec: specs.ItemSpec) -> None:
    """What is written into mirror.json means the same when it is read again."""
    assert ecosystems.parse(text) == [spec]
    assert ecosystems.parse(str(spec)) == [spec]


def test_pattern_stands_for_every_model_that_fits() -> None:
    """resnet* holds the five ResNets (and the wide and grouped ones have other names)."""
    names = [spec.name for spec in ecosystems.parse("resnet*") if isinstance(spec, ModelSpec)]
    assert set(names) == {f"resnet{depth}" for depth in (18, 34, 50, 101, 152)}
    with pytest.raises(UnknownNameError, match="did you mean resnet18"):
        ecosystems.parse("resnt18")


def test_what_a_pattern_passes_over_is_said(caplog: pytest.LogCaptureFixture) -> None:
    """Models without such weights, and weights that ship inside the package."""
    tagged = [str(spec) for spec in ecosystems.parse("resnet*:imagenet1k_v2")]
    assert tagged == [f"resnet{depth}:imagenet1k_v2" for depth in (101, 152, 50)]
    assert ecosystems.parse("lenet*") == []
    assert caplog.messages == [
        "resnet*:imagenet1k_v2: passed over 2 without such weights: resnet18, resnet34",
        "lenet*: passed over 1 shipped inside the package: lenet5",
    ]


BAD_REPOSITORIES = [
    "-owner/repo",
    "owner/-repo",
    "owner/..",
    "owner/.",
    "owner/re%2fpo",
    "owner/re\npo",
    "owner/re po",
    "own\\er/repo",
    "owner/repo/more",
    "/repo",
    "owner/",
    "owner/repo:",
    "owner/repo:../x",
    "owner/repo:a/../b",
    "owner/repo:-x",
    "owner/repo:/x",
    "owner/repo:x/",
    "owner/repo:a//b",
    "owner/repo:a%2e",
    "owner/repo:a\nb",
    "owner/repo:a b",
    "owner/repo:a:b",
    "owner/repo:a~1",
    "owner/repo:a^",
    "owner/repo:a@{1}",
    "owner/repo:.hidden",
    "owner/repo:x.lock",
    "owner/repo:" + "x" * 201,
]


@pytest.mark.parametrize("text", BAD_REPOSITORIES)
def test_repository_names_that_could_lead_elsewhere_are_refused(text: str) -> None:
    """Row 64: owner, name or ref with slash, dot-dot, percent, newline, leading dash."""
    with pytest.raises(UsageError, match=r"expected the name|is written owner/name"):
        ecosystems.parse(text)


@pytest.mark.parametrize(
    "text", ["hf:a/b/c", "hf:../x", "hf:a--b/c", "hf:", "hf:a/b@../x", "hf:a/b@a%2fb", "hf:-a/b"]
)
def test_model_names_that_could_lead_elsewhere_are_refused(text: str) -> None:
    """Hugging Face's names become folders; two dashes stand for a slash there."""
    with pytest.raises(UsageError):
        ecosystems.parse(text)


@pytest.mark.parametrize(
    "path",
    [
        "../x",
        "a/../x",
        "/x",
        "a//x",
        "a/./x",
        "a\\x",
        "C:/x",
        "a/\0",
        "a/\nb",
        "a/\x1b[31m",
        ".private/ca.key",
        "a/b ",
        "a/b.",
        "x" * 201,
    ],
)
def test_paths_that_leave_the_mirror_are_refused(path: str) -> None:
    """Row 54: they are not part of the layout, wherever they come from."""
    assert layout.path_fault(path) is not None


@given(st.text(max_size=40))
def test_allowed_paths_stay_inside(path: str) -> None:
    """Whatever is let through has no step up, no empty step and no letter that ends a name."""
    if layout.path_fault(path) is None:
        parts = path.split("/")
        assert not {"", ".", ".."} & set(parts)
        assert path.isprintable()
        assert parts[0] != layout.PRIVATE


def _item(commit: str, *refs: str) -> Item:
    file = StoredFile(
        f"repositories/o/r/{commit}.zip", "https://x", 1, "a" * 64, "2026-01-01T00:00:00Z"
    )
    return Item("repository", "o/r", (file,), commit, refs, "MIT")


def test_index_is_read_as_it_was_written() -> None:
    """Every field survives; what is not known is left out of the text."""
    one = Index((_item(COMMIT, "heads/main", "HEAD"), Item("weights", "n:t", ())))
    text = index.to_json(one)
    assert index.parse(text) == one
    assert "null" not in text


def test_ref_names_one_commit_only() -> None:
    """A new commit takes the ref; an old one without refs goes, one asked for by commit stays."""
    pinned, moved, fresh = "1" * 40, "2" * 40, "3" * 40
    held = index.entered((_item(pinned, pinned),), _item(moved, "heads/main"))
    held = index.entered(held, _item(fresh, "heads/main"))
    assert {item.revision for item in held} == {pinned, fresh}
    assert Index(held).by_ref("repository", "o/r", "heads/main") == _item(fresh, "heads/main")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", "expected an object"),
        ("{", "not JSON"),
        (
            '{"schema_version": 2, "items": []}',
            r"\$.schema_version: expected schema version 1, got 2",
        ),
        (
            '{"schema_version": 1, "items": [{"kind": 5}]}',
            r"\$.items\[0\].kind: expected text",
        ),
    ],
)
def test_malformed_index_is_refused_with_its_place(text: str, words: str) -> None:
    """The message says where and what to do."""
    with pytest.raises(MirrorError, match=words):
        index.parse(text)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("path", "../../etc/passwd", "leads elsewhere"),
        ("path", ".private/ca.key", "private"),
        ("sha256", "A" * 64, "64 lower-case hex digits"),
    ],
)
def test_hostile_index_is_refused(field: str, value: str, words: str) -> None:
    """An index from elsewhere cannot make a server hand out other files."""
    text = index.to_json(Index((_item(COMMIT, "heads/main"),)))
    good = {"path": f"repositories/o/r/{COMMIT}.zip", "sha256": "a" * 64}[field]
    with pytest.raises(MirrorError, match=words):
        index.parse(text.replace(good, value))


@pytest.mark.parametrize(
    "option", ["github", "github=", "github=ftp://x", "else=http://x", "github=http://u:p@x"]
)
def test_upstreams_that_cannot_be_are_refused(option: str) -> None:
    """A kind, an equals sign, an http(s) address without a password."""
    with pytest.raises(UsageError, match="--upstream takes"):
        ecosystems.parse_upstreams([option])

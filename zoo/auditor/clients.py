"""The calls that fetch: what each client takes, and what it makes of it.

A reader gets one call and returns what it would fetch. It states facts only;
:mod:`zoo.auditor.rules` judges them.

The file is long because there is one reader for each client that people use.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from zoo.auditor.scopes import beginning, dotted_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zoo.auditor.arguments import Argument, Call
    from zoo.auditor.findings import Ecosystem

WEIGHTS_SUFFIXES = (
    ".pth", ".pt", ".th", ".ckpt", ".bin", ".pkl", ".tar", ".safetensors", ".onnx", ".npz",
    ".h5", ".gguf",
)  # fmt: skip
PICKLE_SUFFIXES = (".pth", ".pt", ".th", ".ckpt", ".bin", ".pkl")
HUGGINGFACE_LIBRARIES = frozenset(
    {
        "accelerate", "adapters", "diffusers", "huggingface_hub", "open_clip", "optimum", "peft",
        "sentence_transformers", "setfit", "timm", "tokenizers", "transformers", "trl",
    }
)  # fmt: skip
DETECTORS = (
    "fasterrcnn_",
    "maskrcnn_",
    "keypointrcnn_",
    "retinanet_",
    "fcos_",
    "ssd300_",
    "ssdlite320_",
)
SEGMENTERS = ("deeplabv3_", "fcn_", "lraspp_")
_MODEL_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?")
_REPOSITORY = re.compile(r"(?P<name>[A-Za-z0-9][\w-]{0,38}/[\w.-]{1,100})(:(?P<ref>\S+))?")
_HASHED_NAME = re.compile(r"-[0-9a-f]{8,64}\.")
_NOT_REMOTE = (None, "localhost", "127.0.0.1", "::1", "example.com")
HUB_PREFIXES = ("hf-hub:", "hf_hub:")


@dataclass(frozen=True, slots=True)
class Fetch:
    """What a call would fetch."""

    client: str
    ecosystem: Ecosystem
    subject: str | None
    revision: str | None = None
    is_revision_known: bool = True
    path: str | None = None
    marks: frozenset[str] = frozenset()
    pinned_by: PinnedBy | None = None


@dataclass(frozen=True, slots=True)
class PinnedBy:
    """How a call is told which commit to take."""

    node: ast.expr | None
    """The text with repository and ref, or the revision's argument; ``None``: there is none yet."""
    before: str
    """What stands before the commit in the text that is written."""
    after: str


def fetches_of(call: Call) -> Iterator[Fetch]:
    """Yield what a call would fetch; nothing for most calls."""
    name = dotted_name(call.node.func, call.scope)
    if name is None:
        return
    last = name.rpartition(".")[2]
    reader = _READERS.get(name)
    if reader is not None:
        yield from reader(name, call)
    elif last == "from_pretrained":
        yield from _from_pretrained(name, call)
    elif name.startswith("torchvision.models."):
        yield from _torchvision_builder(name, call)
    elif last in ("load_state_dict_from_url", "load_url", "download_url_to_file"):
        yield from _from_address(name, call)


def is_repository_id(text: str) -> bool:
    """Tell whether a text can name a model of Hugging Face, and no path of this machine."""
    if _MODEL_ID.fullmatch(text) is None:
        return False
    is_file = text.endswith((".json", *WEIGHTS_SUFFIXES))
    is_odd = ".." in text or "--" in text
    return not is_file and not is_odd


def has_digest_in_name(address: str) -> bool:
    """Tell whether a file name holds the beginning of its digest, as torch.hub's names do."""
    _, _, name = address.rpartition("/")
    return _HASHED_NAME.search(name) is not None


def is_weights_address(text: str) -> bool:
    """Tell whether a text is the http(s) address of a weights file on another machine."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return False

    is_http = parts.scheme in ("http", "https")
    is_remote = parts.hostname not in _NOT_REMOTE
    path = parts.path.lower()
    return is_http and is_remote and path.endswith(WEIGHTS_SUFFIXES)


def hub_model(text: str) -> tuple[str, str | None] | None:
    """Split timm's ``hf-hub:org/name@revision``; ``None`` for another text."""
    for prefix in HUB_PREFIXES:
        if not text.startswith(prefix):
            continue
        spec = text.removeprefix(prefix)
        name, _, revision = spec.partition("@")
        if is_repository_id(name):
            return name, revision or None
    return None


def _torch_hub(name: str, call: Call) -> Iterator[Fetch]:
    """Read ``torch.hub.load``, ``list``, ``help`` of ``owner/repository[:ref]``."""
    source = call.argument(None, "source")
    repository = call.argument(
        0,
        "repo_or_dir",
        "github",
        takes_defaults=True,
    )
    if source.is_given and not source.is_surely("github"):
        return
    if repository.values is None:
        yield Fetch(
            name,
            "github",
            None,
            is_revision_known=False,
        )
        return

    skips = call.argument(None, "skip_validation")
    says_nothing = not skips.is_given and not call.has_more
    after = ", skip_validation=True" if says_nothing else ""
    marks = set()
    if skips.may_be_on():
        marks.add("skips-validation")

    for text in repository.texts:
        match = _REPOSITORY.fullmatch(text)
        if match is None:
            continue
        pinned_by = PinnedBy(_literal(repository), f"{match['name']}:", after)
        yield Fetch(
            name,
            "github",
            match["name"],
            match["ref"],
            marks=frozenset(marks),
            pinned_by=pinned_by,
        )


def _from_address(name: str, call: Call) -> Iterator[Fetch]:
    """Read ``load_state_dict_from_url`` and ``download_url_to_file``."""
    address = call.argument(0, "url", takes_defaults=True)
    is_plain = name.endswith("download_url_to_file")
    if is_plain:
        check = call.argument(2, "hash_prefix")
    else:
        check = call.argument(None, "check_hash")

    marks = set()
    is_unchecked = check.is_known and not any(check.values or ())
    if is_unchecked:
        marks.add("digest-unchecked")
    only_tensors = call.argument(None, "weights_only")
    if only_tensors.is_surely(False):
        marks.add("runs-pickles")

    texts = address.texts if address.is_known else ()
    if not texts:
        start = beginning(address.node) if address.node is not None else ""
        if start.startswith("http://"):
            marks.add("insecure")
        yield Fetch(
            name,
            "url",
            None,
            is_revision_known=False,
            marks=frozenset(marks),
        )
    for text in texts:
        address_parts = urlsplit(text)
        if address_parts.scheme in ("http", "https"):
            named = set() if has_digest_in_name(text) else {"name-without-digest"}
            yield Fetch(
                name,
                "url",
                text,
                marks=frozenset(marks | named),
            )


def _plain_download(name: str, call: Call) -> Iterator[Fetch]:
    """Read the downloaders of Python and requests; only weights are of interest."""
    address = call.argument(0, "url", takes_defaults=True)
    for text in address.texts:
        if is_weights_address(text):
            yield Fetch(
                name,
                "url",
                text,
                marks=frozenset({"plain-download"}),
            )


def _torchvision_builder(name: str, call: Call) -> Iterator[Fetch]:
    """Read ``torchvision.models.resnet50(weights=...)`` and its older form ``pretrained=True``."""
    _, _, model = name.rpartition(".")
    is_another = model.startswith(("_", "get_", "list_", "load_"))
    if is_another or not model.islower():
        return
    if ".quantization." in name:
        model = f"quantized_{model}"
    yield from _torchvision_weights(name, model, call)


def _torchvision_by_name(name: str, call: Call) -> Iterator[Fetch]:
    """Read ``torchvision.models.get_model("resnet50", weights=...)``."""
    named = call.argument(0, "name", takes_defaults=True)
    for model in named.texts:
        yield from _torchvision_weights(name, model, call)


def _torchvision_weights(
    name: str,
    model: str,
    call: Call,
) -> Iterator[Fetch]:
    # torchvision takes what was "pretrained" once as the first argument, also for weights.
    position = None if name.endswith(".get_model") else 0
    first = call.argument(position, "pretrained")
    named = call.argument(None, "weights")
    weights = named if named.is_given else first
    tags = list(_weights_tags(weights, call))
    for tag in tags:
        yield Fetch(
            name,
            "torchvision",
            model,
            tag,
        )
    if not tags and first.is_surely(True):
        yield Fetch(
            name,
            "torchvision",
            model,
            "pretrained",
        )

    backbone = call.argument(None, "weights_backbone", "pretrained_backbone")
    has_backbone = model.startswith((*DETECTORS, *SEGMENTERS))
    is_bare = not weights.is_given and not call.has_more
    if has_backbone and is_bare and not backbone.is_given:
        yield Fetch(
            name,
            "torchvision",
            f"{model} (backbone)",
            "imagenet1k_v1",
        )


def _weights_tags(weights: Argument, call: Call) -> Iterator[str | None]:
    """Name the weights: of a text, or of a member as ``ResNet50_Weights.DEFAULT``."""
    if weights.values is not None:
        for value in weights.texts:
            _, _, tag = value.rpartition(".")
            yield tag.lower()
        return
    if weights.node is None:
        return

    member = dotted_name(weights.node, call.scope) or ""
    owner, _, tag = member.rpartition(".")
    if owner.endswith("_Weights") and tag.isupper():
        yield tag.lower()


def _timm_model(name: str, call: Call) -> Iterator[Fetch]:
    """Read ``timm.create_model(NAME, pretrained=True)``, also with ``hf-hub:org/name``."""
    model = call.argument(0, "model_name", takes_defaults=True)
    pretrained = call.argument(1, "pretrained")
    if not pretrained.may_be_on():
        return
    if model.values is None:
        yield Fetch(
            name,
            "timm",
            None,
            is_revision_known=False,
        )
    for text in model.texts:
        hub = hub_model(text)
        if hub is not None:
            scheme, _, _ = text.partition(":")
            prefix = f"{scheme}:{hub[0]}@"
            pinned_by = PinnedBy(_literal(model), prefix, "")
            yield Fetch(
                name,
                "huggingface",
                hub[0],
                hub[1],
                pinned_by=pinned_by,
            )
        elif not text.startswith("local-dir:"):
            architecture, _, tag = text.partition(".")
            yield Fetch(
                name,
                "timm",
                architecture,
                tag or None,
            )


def _from_pretrained(name: str, call: Call) -> Iterator[Fetch]:
    """Read ``AnyClass.from_pretrained("org/name", revision=...)``."""
    model = call.argument(
        0,
        "pretrained_model_name_or_path",
        "repo_id",
        "model_id",
        takes_defaults=True,
    )
    is_theirs = name.partition(".")[0] in HUGGINGFACE_LIBRARIES
    yield from _huggingface(
        name,
        call,
        model,
        accepts_bare_names=is_theirs,
    )


def _hub_file(name: str, call: Call) -> Iterator[Fetch]:
    """Read ``hf_hub_download(repo_id, filename)`` and ``snapshot_download(repo_id)``."""
    kind = call.argument(None, "repo_type")
    if kind.is_given and not (kind.is_surely("model") or kind.is_surely(None)):
        return
    model = call.argument(0, "repo_id", takes_defaults=True)
    file = call.argument(1, "filename")
    is_file = not name.endswith("snapshot_download")
    path = file.texts[0] if is_file and file.texts else None
    yield from _huggingface(
        name,
        call,
        model,
        accepts_bare_names=True,
        path=path,
    )


def _pipeline(name: str, call: Call) -> Iterator[Fetch]:
    """Read ``transformers.pipeline(task, model)``."""
    model = call.argument(1, "model", takes_defaults=True)
    if model.is_given:
        yield from _huggingface(
            name,
            call,
            model,
            accepts_bare_names=True,
        )


def _sentence_transformer(name: str, call: Call) -> Iterator[Fetch]:
    model = call.argument(0, "model_name_or_path", takes_defaults=True)
    yield from _huggingface(
        name,
        call,
        model,
        accepts_bare_names=True,
    )


def _huggingface(
    name: str,
    call: Call,
    model: Argument,
    *,
    accepts_bare_names: bool,
    path: str | None = None,
) -> Iterator[Fetch]:
    local = call.argument(None, "local_files_only")
    if local.may_be_on() or not (model.is_given or call.has_more):
        return
    if model.values is None:
        if accepts_bare_names:
            yield Fetch(
                name,
                "huggingface",
                None,
                is_revision_known=False,
                path=path,
            )
        return

    revision = call.argument(None, "revision")
    revisions = revision.texts or (None,)
    is_written_here = bool(revision.texts) and isinstance(revision.node, ast.Constant)
    can_be_added = not revision.is_given and not call.has_more

    slot = None
    if is_written_here:
        slot = PinnedBy(revision.node, "", "")
    elif can_be_added:
        slot = PinnedBy(None, "", "")
    marks = frozenset(_huggingface_marks(call))
    for text in model.texts:
        if is_repository_id(text) and (accepts_bare_names or "/" in text):
            yield Fetch(
                name,
                "huggingface",
                text,
                revisions[0],
                is_revision_known=revision.is_known,
                path=path,
                marks=marks,
                pinned_by=slot,
            )


def _huggingface_marks(call: Call) -> Iterator[str]:
    remote = call.argument(None, "trust_remote_code")
    if remote.may_be_on():
        yield "runs-remote-code"
    safe = call.argument(None, "use_safetensors", "safe_serialization")
    if safe.is_surely(False):
        yield "refuses-safetensors"


def _torch_load(name: str, call: Call) -> Iterator[Fetch]:
    """Read ``torch.load``: no download, but what it reads may run code."""
    only_tensors = call.argument(None, "weights_only")
    if not only_tensors.is_known or only_tensors.is_surely(True):
        return
    mark = "runs-pickles" if only_tensors.is_given else "may-run-pickles"
    yield Fetch(
        name,
        "file",
        "a file",
        marks=frozenset({mark}),
    )


def _zoo_model(name: str, call: Call) -> Iterator[Fetch]:
    """Read ``zoo.load_model("resnet18")``: every byte of it is checked, whatever the tag."""
    weights = call.argument(1, "weights")
    if weights.is_surely(None):
        return

    named = call.argument(0, "name", takes_defaults=True)
    for text in named.texts:
        model, _, tag = text.partition(":")
        yield Fetch(
            name,
            "zoo",
            model,
            tag or "default",
        )


def _literal(argument: Argument) -> ast.expr | None:
    """Return the argument's own text, where it is written in the call itself."""
    node = argument.node
    return node if isinstance(node, ast.Constant) else None


_READERS: dict[str, Callable[[str, Call], Iterator[Fetch]]] = {
    "torch.hub.load": _torch_hub,
    "torch.hub.list": _torch_hub,
    "torch.hub.help": _torch_hub,
    "torch.load": _torch_load,
    "torchvision.models.get_model": _torchvision_by_name,
    "timm.create_model": _timm_model,
    "timm.models.create_model": _timm_model,
    "timm.models.factory.create_model": _timm_model,
    "timm.models._factory.create_model": _timm_model,
    "huggingface_hub.hf_hub_download": _hub_file,
    "huggingface_hub.file_download.hf_hub_download": _hub_file,
    "huggingface_hub.snapshot_download": _hub_file,
    "transformers.pipeline": _pipeline,
    "transformers.pipelines.pipeline": _pipeline,
    "sentence_transformers.SentenceTransformer": _sentence_transformer,
    "sentence_transformers.CrossEncoder": _sentence_transformer,
    "urllib.request.urlretrieve": _plain_download,
    "urllib.request.urlopen": _plain_download,
    "requests.get": _plain_download,
    "wget.download": _plain_download,
    "gdown.download": _plain_download,
    "zoo.load_model": _zoo_model,
}

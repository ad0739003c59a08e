"""Take a state dict out of what training programs and wrappers have put around it.

A dictionary in a dictionary, a prefix before every name (DataParallel, Lightning), a component
inside of names (FSDP, checkpointing of activations), counters that are no parameters (averaging,
profilers). What a wrapper is called is known for the usual ones; where only one thing in a file is
a state dict, its name does not matter.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from torch import Tensor

from zoo.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_KEYS = ("state_dict", "model_state_dict", "model", "module", "net", "network")
"""Where training programs put a state dict; of several, the one below such a key is meant."""
_AVERAGES = ("ema", "average", "swa", "shadow")
"""Words in the keys of a second state dict: a running average of the first one."""
_NOT_WEIGHTS = ("optim", "sched", "scaler", "grad")
"""Words in the keys of what belongs to training."""
_PREFIXES = (
    "module.",
    "_orig_mod.",
    "_forward_module.",
    "_fsdp_wrapped_module.",
    "_module.",
    "model.",
    "ema_model.",
    "net.",
    "network.",
)
"""What wrappers put before every name: DataParallel, torch.compile, Fabric, FSDP, Opacus,
Lightning, and what people call their network."""
_COMPONENTS = frozenset(
    {"_checkpoint_wrapped_module", "_fsdp_wrapped_module", "_orig_mod", "_forward_module"}
)
"""What wrappers of single layers put inside of names."""
_COUNTERS = frozenset({"n_averaged", "total_ops", "total_params"})
"""What averaging (AveragedModel) and profilers (thop) leave among the parameters."""
_MOST_WRAPPERS = 4
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class NamedTensors:
    """A state dict, and what it was wrapped in."""

    tensors: dict[str, Tensor]
    keys: tuple[str, ...] = ()
    """Of the dictionaries that it was taken out of: ``("state_dict",)``."""
    prefixes: tuple[str, ...] = ()
    """What stood before every name: ``("module.",)``."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """What the file says of itself."""


def unwrap(
    content: Any,
    file: str,
) -> NamedTensors:
    """Find the state dict in what was read.

    Raises:
        CheckpointError: There is none, or more than one; says what there is.
    """
    keys = _Search(file).path_to(content, _MOST_WRAPPERS)
    if keys is None:
        raise CheckpointError(file, _fault(content), "save model.state_dict()")
    for key in keys:
        content = content[key]
    return without_wrappers(content, keys)


class _Search:
    """Look for state dicts in nested dictionaries, into each once: a file may mention one often."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._known: dict[tuple[int, int], tuple[str, ...] | None] = {}

    def path_to(
        self,
        content: Any,
        most: int,
    ) -> tuple[str, ...] | None:
        """Return the keys, up to a maximum, that lead to the only state dict.

        ``None`` if none does.

        Raises:
            CheckpointError: Several do, and nothing says which is meant.
        """
        if not isinstance(content, dict):
            return None
        place = (id(content), most)
        if place not in self._known:
            self._known[place] = self._look_into(content, most)
        return self._known[place]

    def _look_into(
        self,
        content: dict[Any, Any],
        most: int,
    ) -> tuple[str, ...] | None:
        if _holds_named_tensors(content):
            return ()
        if most == 0:
            return None

        found: dict[str, tuple[str, ...]] = {}
        for key, value in content.items():
            if isinstance(key, str) and not _has_word(key, _NOT_WEIGHTS):
                rest = self.path_to(value, most - 1)
                if rest is not None:
                    found[key] = (key, *rest)
        return found[_meant(list(found), self._file)] if found else None


def _meant(
    keys: list[str],
    file: str,
) -> str:
    """Choose the key of the state dict that is meant among several."""
    plain = [key for key in keys if not _has_word(key, _AVERAGES)] or keys
    usual = [key for key in plain if key in _KEYS]
    for candidates in (keys, plain, usual):
        if len(candidates) == 1:
            return candidates[0]
    named = ", ".join(map(repr, keys[:_SHOWN]))
    fault = f"it holds several state dicts: {named}"
    raise CheckpointError(file, fault, "save the one that is meant by itself")


def _has_word(
    key: str,
    words: Iterable[str],
) -> bool:
    return any(word in key.lower() for word in words)


def _holds_named_tensors(content: dict[Any, Any]) -> bool:
    """Tell whether a dictionary is a state dict."""
    are_tensors = all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in content.items()
    )
    return bool(content) and are_tensors


def _fault(content: Any) -> str:
    """Say what keeps something from being a state dict."""
    if not isinstance(content, dict):
        return f"expected named tensors, got {type(content).__name__}"
    others = [key for key, value in content.items() if not isinstance(value, Tensor)]
    if len(others) == len(content) or not others:
        return "expected named tensors, got a dictionary of other things"
    odd = others[0]
    return f"expected named tensors, {odd!r:.80} is of the type {type(content[odd]).__name__}"


def without_wrappers(
    state_dict: dict[str, Tensor],
    keys: tuple[str, ...] = (),
) -> NamedTensors:
    """Drop what wrappers have put into names, one wrapper after another.

    Args:
        state_dict: Names and tensors.
        keys: What it was taken out of, to be remembered with the prefixes.
    """
    dropped: list[str] = []
    for _ in range(_MOST_WRAPPERS):
        state_dict = _without_counters(state_dict)
        prefix = next((p for p in _PREFIXES if all(key.startswith(p) for key in state_dict)), None)
        if prefix is None or not state_dict:
            break
        dropped.append(prefix)
        state_dict = {key.removeprefix(prefix): value for key, value in state_dict.items()}
    return NamedTensors(_without_components(state_dict), keys, tuple(dropped))


def _without_counters(state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """Leave out what counts: one number each, beside parameters."""
    kept = {
        key: value
        for key, value in state_dict.items()
        if not (key.rpartition(".")[2] in _COUNTERS and value.numel() == 1)
    }
    return kept or state_dict


def _without_components(state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """Drop the names of wrappers of single layers, unless two names would become one."""
    renamed = {
        ".".join(part for part in key.split(".") if part not in _COMPONENTS): value
        for key, value in state_dict.items()
    }
    return renamed if len(renamed) == len(state_dict) else state_dict


def without_common_prefixes(state_dict: dict[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """Yield a state dict without the first component that all names share, then without the next.

    Whatever somebody has called the network: ``backbone.``, ``student.``, ``base_model.model.``.
    """
    for _ in range(_MOST_WRAPPERS):
        firsts = {key.partition(".")[0] for key in state_dict}
        has_more = all("." in key for key in state_dict)
        if len(firsts) != 1 or not has_more:
            return
        state_dict = {key.partition(".")[2]: value for key, value in state_dict.items()}
        yield state_dict

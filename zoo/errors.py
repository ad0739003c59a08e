"""Every error that ``zoo`` raises on purpose.

::

    ZooError
    ├── DocumentError        a document of JSON is malformed; says the JSON path
    │   └── RegistryError    registry.json or the facts file is malformed
    ├── UnknownNameError     no such architecture, weights, family, column ...; offers the nearest
    ├── ForeignNameError     a name of timm or torchvision; says what it is called here
    ├── QueryError           a filter expression cannot be read
    ├── UsageError           options that contradict each other or a value out of range
    ├── MissingPackageError  an optional package is needed; says how to install it
    ├── MissingProgramError  a program outside Python is needed; says how to install it
    ├── BuilderError         a record names no builder that may be called, or one that is not here
    ├── OptionError          a builder takes no such option, or refuses its value
    ├── ShapeError           a formula or a network was given a shape that does not fit
    ├── ConfigError          config.toml or an environment variable cannot be used; says the key
    ├── WriteError           a file that was asked for cannot be written
    ├── LockFileError        zoo.lock is malformed; says the line
    ├── LockConflictError    what a program fetched is not what zoo.lock has; lists both
    ├── SourceError          one exchange with one server failed; says whether trying again can help
    │   └── PolicyError      a mirror's policy keeps it out; says why
    ├── FetchError           no source gave the right bytes; names each source and its fault
    ├── CheckpointError      a weights file is damaged, hostile or of no known format
    │   └── MismatchError    its tensors do not fit the network; lists the keys
    ├── OptimizeError        an engine fails, or an optimized network answers differently
    ├── AdvisedError         whoever raises it knows what is to be done
    │   ├── CacheError       a name or place in the cache cannot be used, or two digests differ
    │   │   └── DiskFullError  the file does not fit
    │   ├── TrustError       signed files, keys or a state of a registry are not to be believed
    │   └── MirrorError      a mirror, a bundle or what was asked of one cannot be used
    ├── BenchError           a measurement cannot be made, read or compared
    │   ├── DeviceError      no such device, busy, or lost; lists the devices that exist
    │   ├── ResultFileError  a result file is malformed; says the JSON path
    │   └── UnlikeError      two results were not measured alike; names what differs
    └── PlaceError           something that stands at a place, or has a name, cannot be used
        ├── ExecutorError    a cluster cannot be reached
        ├── ImageError       an image cannot be had or decoded; says which and why
        ├── DatasetError     a folder of labelled images cannot be used
        ├── TrainingError    a training run cannot begin, go on or converge
        └── SearchError      a search cannot begin, go on or be read

The command line prints ``str(error)`` on stderr and exits with 1 (2 for ``UsageError``). Every
error carries ``subject`` (what it is about), ``fault`` (what was expected and what is there) and
``advice`` (what to do next), any of the three but the fault may be empty; further facts are
attributes too, and the message is made from them: *subject: fault; advice*.

The file is long because it is a list: one class after the other, each with the facts that it
carries. In one place they can be read against each other and against the tree.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def install_command(extra: str) -> str:
    """Say how to install what an extra brings: from the clone that runs, if one does.

    Args:
        extra: The extra of ``torch-zoo``.
    """
    clone = Path(__file__).parents[1]
    if (clone / "pyproject.toml").is_file():
        return f'pip install -e "{clone}[{extra}]"'
    return f'pip install "torch-zoo[{extra}]"'


def _restore(
    cls: type[ZooError],
    message: str,
    facts: dict[str, Any],
) -> ZooError:
    """Make an error again on the other side of a pickle, with the facts that it carried."""
    error = cls.__new__(cls, message)
    error.__dict__.update(facts)
    return error


class ZooError(Exception):
    """Mark an error that a user can act on: the message says what to do next.

    Args:
        fault: What was expected and what is there.
        subject: What the error is about: a file, a name, an address.
        advice: What to do next.
        opening: What the message says before the fault, where the subject alone would not do.
    """

    def __init__(
        self,
        fault: str,
        *,
        subject: str = "",
        advice: str = "",
        opening: str | None = None,
    ) -> None:
        """Keep the facts and make the message."""
        self.subject = subject
        self.fault = fault
        self.advice = advice

        message = fault
        beginning = subject if opening is None else opening
        if beginning:
            message = f"{beginning}: {message}"
        if advice:
            message = f"{message}; {advice}"
        super().__init__(message)

    def __reduce__(self) -> tuple[Any, ...]:
        """Survive the way back from a worker process: the message is made already."""
        return _restore, (type(self), str(self), dict(self.__dict__))


class UsageError(ZooError):
    """Report options or arguments that cannot be meant."""


class DocumentError(ZooError):
    """Report a fault in a document of JSON.

    Args:
        json_path: Where the fault is, as ``$.results[0].case.batch``.
        fault: What was expected and what stands there.
        file: The file that was read, where that is known already.
        advice: What to do.
    """

    def __init__(
        self,
        json_path: str,
        fault: str,
        file: str = "",
        advice: str = "",
    ) -> None:
        """Keep the facts and make the message."""
        self.json_path = json_path
        opening = f"malformed at {json_path}"
        if file:
            opening = f"{file} is {opening}"
        super().__init__(fault, subject=file, advice=advice, opening=opening)


class RegistryError(DocumentError):
    """Report a fault in ``registry.json``; arguments as for a :class:`DocumentError`."""

    REBUILD = 'to make it again, run "zoo registry build"'

    def __init__(
        self,
        json_path: str,
        fault: str,
        file: str = "registry.json",
        advice: str = REBUILD,
    ) -> None:
        """Keep the facts and make the message."""
        super().__init__(json_path, fault, file, advice)


class UnknownNameError(ZooError):
    """Report a name that nothing has, with the nearest names that exist.

    Args:
        kind: What was looked for: ``"model"``, ``"set of weights of resnet18"``, ``"column"``.
        name: The name as the user typed it.
        nearest: Existing names, nearest first; may be empty.
        advice: The next command to type.
    """

    def __init__(
        self,
        kind: str,
        name: str,
        nearest: Sequence[str] = (),
        advice: str = "",
    ) -> None:
        """Keep the facts and make the message."""
        self.kind = kind
        self.name = name
        self.nearest = tuple(nearest)

        next_step = advice
        if self.nearest:
            names = " or ".join(self.nearest)
            next_step = f"did you mean {names}? {advice}".rstrip()
        fault = f"no {kind} is called {name!r}"
        super().__init__(fault, subject=name, advice=next_step, opening="")


class ForeignNameError(ZooError, AttributeError):
    """Report a function that ``zoo`` has under another name.

    Args:
        name: What was asked for.
        ours: What to type.
    """

    def __init__(self, name: str, ours: str) -> None:
        """Keep the facts and make the message."""
        self.ours = ours
        fault = f"zoo has no {name}"
        super().__init__(fault, subject=name, advice=f"type {ours}", opening="")


class QueryError(ZooError):
    """Report a ``--where`` expression that cannot be read.

    Args:
        expression: The whole expression.
        position: Index of the first character that does not fit.
        fault: What was expected there.
    """

    def __init__(
        self,
        expression: str,
        position: int,
        fault: str,
    ) -> None:
        """Keep the facts and make the message."""
        self.position = position
        opening = f"cannot read {expression!r} at character {position + 1}"
        advice = "write for example 'parameters<10M and top5_error<8'"
        super().__init__(fault, subject=expression, advice=advice, opening=opening)


class MissingPackageError(ZooError):
    """Report an optional package that a feature needs.

    Args:
        package: Import name of what is missing.
        feature: What the user asked for.
        extra: The extra of ``torch-zoo`` that brings it.
    """

    def __init__(
        self,
        package: str,
        feature: str,
        extra: str,
    ) -> None:
        """Keep the facts and make the message."""
        self.package = package
        self.extra = extra
        fault = f"{feature} needs the package {package}"
        advice = f"run {install_command(extra)}"
        super().__init__(fault, subject=feature, advice=advice, opening="")


class MissingProgramError(ZooError):
    """Report a program that a feature starts and that is not installed.

    Args:
        program: Its name on the command line.
        feature: What the user asked for.
        advice: How to install it.
    """

    def __init__(
        self,
        program: str,
        feature: str,
        advice: str,
    ) -> None:
        """Keep the facts and make the message."""
        self.program = program
        fault = f"{feature} needs the program {program}, which is not on the PATH"
        super().__init__(fault, subject=feature, advice=advice, opening="")


class BuilderError(ZooError):
    """Report an architecture whose builder may not be called, or is not there.

    Args:
        model: Name of the architecture.
        fault: What its record names, and what was expected.
    """

    def __init__(self, model: str, fault: str) -> None:
        """Keep the facts and make the message."""
        opening = f"{model} cannot be built"
        advice = "use a registry that you trust, or another version of the package that builds it"
        super().__init__(fault, subject=model, advice=advice, opening=opening)


class OptionError(ZooError):
    """Report an option that an architecture's builder does not take, or a value that it refuses.

    Args:
        model: Name of the architecture.
        option: The option as the user typed it.
        fault: What the builder says.
        advice: What to do.
    """

    def __init__(
        self,
        model: str,
        option: str,
        fault: str,
        advice: str = "",
    ) -> None:
        """Keep the facts and make the message."""
        self.option = option
        opening = f"{model} cannot be built with {option}"
        super().__init__(fault, subject=model, advice=advice, opening=opening)


class ShapeError(ZooError):
    """Report shapes that do not fit together; the message says which and how to choose another."""


class ConfigError(ZooError):
    """Report a setting that cannot be used.

    Args:
        place: The config file, or the environment variable.
        fault: Which key, what was expected and what stands there.
    """

    def __init__(self, place: str, fault: str) -> None:
        """Keep the facts and make the message."""
        opening = f"{place} cannot be used"
        super().__init__(fault, subject=place, advice="fix or remove it", opening=opening)


class AdvisedError(ZooError):
    """Report something for which whoever finds it knows what is to be done.

    Args:
        subject: The file, folder, address, role or name.
        fault: What was expected and what is there.
        advice: What to do.
    """

    def __init__(
        self,
        subject: str,
        fault: str,
        advice: str,
    ) -> None:
        """Keep the facts and make the message."""
        super().__init__(fault, subject=subject, advice=advice)


class CacheError(AdvisedError):
    """Report a file of the cache that cannot be read, written or trusted."""


class DiskFullError(CacheError):
    """Report that a file does not fit on its disk, before or in the middle of the download."""


class WriteError(ZooError):
    """Report a file that cannot be written; the one before, if any, is as it was.

    Args:
        path: The file.
        fault: What the file system or the library that writes says.
    """

    def __init__(self, path: str, fault: str) -> None:
        """Keep the facts and make the message."""
        advice = "free some space, or choose another place"
        super().__init__(fault, subject=path, advice=advice, opening=f"cannot write {path}")


class LockFileError(ZooError):
    """Report a line of ``zoo.lock`` that cannot be read.

    Args:
        file: The lock file.
        line_number: Counted from 1.
        fault: What was expected and what stands there.
    """

    def __init__(
        self,
        file: str,
        line_number: int,
        fault: str,
    ) -> None:
        """Keep the facts and make the message."""
        self.line_number = line_number
        opening = f"{file}, line {line_number}"
        advice = (
            "restore the file from version control, or remove the line to learn the digest again"
        )
        super().__init__(fault, subject=file, advice=advice, opening=opening)


class LockConflictError(ZooError):
    """Report that a program fetched something else than ``zoo.lock`` has.

    Args:
        file: The lock file, which stays as it is.
        conflicts: What is locked and what was fetched, one text each.
    """

    def __init__(self, file: str, conflicts: Sequence[str]) -> None:
        """Keep the facts and make the message."""
        self.conflicts = tuple(conflicts)
        listed = "; ".join(conflicts)
        fault = f"it says otherwise: {listed}; nothing was changed"
        advice = "to take what is there now, add --update"
        super().__init__(fault, subject=file, advice=advice)


class TrustError(AdvisedError):
    """Report keys, signed files or a signed state that cannot be used or believed.

    Args:
        subject: The address, file or role.
        fault: What was expected and what is there; for an update, that nothing was changed.
        advice: What to do.
        kind: For an update, the kind of refusal: ``"tampered"``, ``"rolled back"``, ``"frozen"``...
    """

    def __init__(
        self,
        subject: str,
        fault: str,
        advice: str,
        kind: str = "",
    ) -> None:
        """Keep the facts and make the message."""
        self.kind = kind
        super().__init__(subject, fault, advice)


class SourceError(ZooError):
    """Report one failed exchange with one server.

    Args:
        source: The address, without user, password and query.
        fault: What was expected and what came.
        is_retryable: Whether the same request may succeed a moment later.
        retry_after_s: How long the server asks to wait, if it says so.
        status: HTTP status, where that is the fault.
    """

    def __init__(
        self,
        source: str,
        fault: str,
        *,
        is_retryable: bool = False,
        retry_after_s: float | None = None,
        status: int | None = None,
    ) -> None:
        """Keep the facts and make the message."""
        self.is_retryable = is_retryable
        self.retry_after_s = retry_after_s
        self.status = status
        super().__init__(fault, subject=source)
        # Not in the message: a list of failures has one advice, at its end.
        self.advice = "check the network and the address"
        if is_retryable:
            self.advice = "check the network, or try again later"
        elif status in (401, 403):
            self.advice = "check that its token may read it"


class PolicyError(SourceError):
    """Report what a mirror's policy keeps out.

    Args:
        name: What it is, as users write it.
        reason: Why it is kept out.
    """

    def __init__(
        self,
        name: str,
        reason: str,
    ) -> None:
        """Keep the facts and make the message."""
        self.reason = reason
        super().__init__(name, f"it is refused: {reason}", status=403)
        self.advice = 'see what the mirror may hold with "zoo mirror policy"'


class FetchError(ZooError):
    """Report that no source gave the right bytes of a file.

    Args:
        file_name: Name of the weights file.
        failures: What happened at each source, in the order in which they were tried.
        kept_bytes: How much lies in the partial file, to go on from.
    """

    def __init__(
        self,
        file_name: str,
        failures: Sequence[SourceError],
        kept_bytes: int = 0,
    ) -> None:
        """Keep the facts and make the message."""
        self.failures = tuple(failures)
        self.kept_bytes = kept_bytes

        story = ", then ".join(map(str, failures)) or "it has no source"
        kept = "nothing was kept"
        if kept_bytes:
            kept = f"{kept_bytes} bytes are kept, the next run goes on from there"

        first_step = "check the address"
        if any(failure.is_retryable for failure in failures):
            first_step = "try again later"

        super().__init__(
            f"{story}; {kept}",
            subject=file_name,
            advice=f"{first_step} or name another source with --mirror",
            opening=f"cannot fetch {file_name}",
        )


class CheckpointError(ZooError):
    """Report a file that cannot be read as weights.

    Args:
        file: The file's name.
        fault: What was expected and what stands there.
        advice: What to do.
    """

    def __init__(
        self,
        file: str,
        fault: str,
        advice: str = "get the file again, or ask its publisher for a sound one",
    ) -> None:
        """Keep the facts and make the message."""
        super().__init__(fault, subject=file, advice=advice, opening=f"{file} is refused")


class MismatchError(CheckpointError):
    """Report a state dict whose keys, shapes or types are not those of the network.

    Args:
        file: The file's name.
        network: Class of the network.
        differences: One line for each key that differs.
    """

    def __init__(
        self,
        file: str,
        network: str,
        differences: Sequence[str],
    ) -> None:
        """Keep the facts and make the message."""
        self.network = network
        self.differences = tuple(differences)
        fault = f"its tensors do not fit {network}"
        advice = "name the architecture and the number of classes that the file was saved from"
        lines = [f"{advice}. What differs:", *differences]
        super().__init__(file, fault, "\n  ".join(lines))


class MirrorError(AdvisedError):
    """Report a mirror, a bundle, or a request to one that cannot be used."""


class BenchError(ZooError):
    """Report a measurement that cannot be made or used."""


class DeviceError(BenchError):
    """Report a device that cannot be measured on.

    Args:
        device: Its name as the user typed it, or as torch writes it.
        fault: What is wrong with it.
        devices: The devices that exist.
        advice: What to do.
    """

    def __init__(
        self,
        device: str,
        fault: str,
        devices: Sequence[str] = (),
        advice: str = "",
    ) -> None:
        """Keep the facts and make the message."""
        self.devices = tuple(devices)
        example = "cpu"
        if self.devices:
            example = self.devices[-1]
            listed = ", ".join(self.devices)
            fault = f"{fault}; this machine has {listed}"

        super().__init__(
            fault,
            subject=device,
            advice=advice or f"choose one with --device, for example --device {example}",
            opening=f"cannot use the device {device}",
        )


class ResultFileError(BenchError):
    """Report a file of benchmark results that cannot be used.

    Args:
        file: The file or folder.
        fault: Where in it, what was expected and what stands there.
    """

    def __init__(self, file: str, fault: str) -> None:
        """Keep the facts and make the message."""
        opening = f"{file} is no result of a benchmark"
        advice = f"measure again with --output {file}, or get it again from where it came"
        super().__init__(fault, subject=file, advice=advice, opening=opening)


class UnlikeError(BenchError):
    """Report results that must not be compared.

    Args:
        model: The model whose results they are.
        differing: What differs, with its value in each file: ``{"precision": ("fp32", "bf16")}``.
    """

    def __init__(
        self,
        model: str,
        differing: Mapping[str, tuple[object, object]],
    ) -> None:
        """Keep the facts and make the message."""
        self.differing = dict(differing)
        pairs = []
        for key, (one, other) in differing.items():
            pair = f"{key} ({one} and {other})"
            pairs.append(pair)
        listed = ", ".join(pairs)
        fault = f"the two results of {model} were not measured alike, they differ in {listed}"
        advice = "measure both alike, or compare them all the same with --force"
        super().__init__(fault, subject=model, advice=advice, opening="")


class OptimizeError(ZooError):
    """Report a network that cannot be made faster as asked.

    Args:
        engine: How it was to be run.
        fault: What failed.
    """

    def __init__(self, engine: str, fault: str) -> None:
        """Keep the facts and make the message."""
        self.engine = engine
        opening = f"the network cannot be optimized with the engine {engine}"
        advice = "try the engine eager"
        if engine == "eager":
            advice = "use the model itself"
        super().__init__(fault, subject=engine, advice=advice, opening=opening)


class PlaceError(ZooError):
    """Report something that stands at a place, or has a name, and cannot be used.

    Args:
        place: The place or the name.
        fault: What was expected and what is there.
        advice: What to do.
    """

    OPENING: ClassVar[str] = "{place}"
    """What the message says before the fault."""

    def __init__(
        self,
        place: str,
        fault: str,
        advice: str = "",
    ) -> None:
        """Keep the facts and make the message."""
        opening = self.OPENING.format(place=place)
        super().__init__(fault, subject=place, advice=advice, opening=opening)


class ExecutorError(PlaceError):
    """Report a cluster, or a node of one, that cannot be worked with."""

    OPENING = "cannot use {place}"


class ImageError(PlaceError):
    """Report an image that cannot be used: a file, folder, pattern or URL."""

    OPENING = "cannot use the image {place}"


class DatasetError(PlaceError):
    """Report a folder, or folders, of labelled images that cannot be used."""

    OPENING = "cannot use the data set {place}"


class TrainingError(PlaceError):
    """Report a training run, of a model or in a folder, that cannot begin, go on or converge."""

    OPENING = "training {place}"


class SearchError(PlaceError):
    """Report an architecture search, or a file of one, that cannot begin, go on or be read."""

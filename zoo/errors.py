"""Every error that ``zoo`` raises on purpose.

::

    ZooError
    ├── RegistryError        registry.json or the facts file is malformed; says the JSON path
    ├── UnknownNameError     no such architecture, weights, family, column ...; offers the nearest
    ├── QueryError           a filter expression cannot be read
    ├── UsageError           options that contradict each other or a value out of range
    ├── MissingPackageError  an optional package is needed; says how to install it
    ├── MissingProgramError  a program outside Python is needed; says how to install it
    ├── OptionError          a builder takes no such option, or refuses its value
    ├── ShapeError           a formula or a network was given a shape that does not fit
    ├── ConfigError          config.toml or an environment variable cannot be used; says the key
    ├── CacheError           a name or place in the cache cannot be used, or two digests contradict each other
    │   └── DiskFullError    the file does not fit
    ├── WriteError           a file that was asked for cannot be written
    ├── LockFileError        zoo.lock is malformed; says the line
    ├── SourceError          one exchange with one server failed; says whether trying again can help
    ├── FetchError           no source gave the right bytes; names each source and its fault
    ├── CheckpointError      a weights file is damaged, hostile or of no known format
    │   └── MismatchError    its tensors do not fit the network; lists the keys
    ├── OptimizeError        an engine fails, or an optimized network answers differently
    ├── MirrorError          a mirror, a bundle or what was asked of one cannot be used
    ├── BenchError           a measurement cannot be made, read or compared
    │   ├── DeviceError      no such device, busy, or lost; lists the devices that exist
    │   ├── ResultFileError  a result file is malformed; says the JSON path
    │   └── UnlikeError      two results were not measured alike; names what differs
    ├── PictureError         a picture cannot be had or decoded; says which and why
    ├── DatasetError         a folder of labelled pictures cannot be used
    ├── TrainingError        a training run cannot begin, go on or converge
    └── (each package adds its own below, in the order of the import rows)

The command line prints ``str(error)`` on stderr and exits with 1 (2 for ``UsageError``); facts are attributes,
the message is made from them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class ZooError(Exception):
    """Mark an error that a user can act on: the message says what to do next."""


class UsageError(ZooError):
    """Report options or arguments that cannot be meant."""


class RegistryError(ZooError):
    """Report a fault in ``registry.json``.

    Args:
        json_path: Where the fault is, as ``$.architectures.resnet18.parameters``.
        fault: What was expected and what stands there.
        file: The file that was read.
        advice: What to do.
    """

    def __init__(
        self,
        json_path: str,
        fault: str,
        file: str = "registry.json",
        advice: str = 'run "zoo registry build" to make it again',
    ) -> None:
        """Keep the facts and make the message."""
        self.json_path = json_path
        self.fault = fault
        self.file = file
        super().__init__(f"{file} is malformed at {json_path}: {fault}; {advice}")


class UnknownNameError(ZooError):
    """Report a name that nothing has, with the nearest names that exist.

    Args:
        kind: What was looked for: ``"model"``, ``"set of weights of resnet18"``, ``"column"``.
        name: The name as the user typed it.
        nearest: Existing names, nearest first; may be empty.
        advice: The next command to type.
    """

    def __init__(self, kind: str, name: str, nearest: Sequence[str] = (), advice: str = "") -> None:
        """Keep the facts and make the message."""
        self.kind = kind
        self.name = name
        self.nearest = tuple(nearest)
        hint = f"; did you mean {' or '.join(self.nearest)}?" if self.nearest else ""
        end = f"{hint.rstrip('?')}? {advice}" if hint and advice else hint or (f"; {advice}" if advice else "")
        super().__init__(f"no {kind} is called {name!r}{end}")


class QueryError(ZooError):
    """Report a ``--where`` expression that cannot be read.

    Args:
        expression: The whole expression.
        position: Index of the first character that does not fit.
        fault: What was expected there.
    """

    def __init__(self, expression: str, position: int, fault: str) -> None:
        """Keep the facts and make the message."""
        self.expression = expression
        self.position = position
        self.fault = fault
        super().__init__(
            f"cannot read {expression!r} at character {position + 1}: {fault}; "
            "write for example 'parameters<10M and top5_error<8'"
        )


class MissingPackageError(ZooError):
    """Report an optional package that a feature needs.

    Args:
        package: Import name of what is missing.
        feature: What the user asked for.
        extra: The extra of ``torch-zoo`` that brings it.
    """

    def __init__(self, package: str, feature: str, extra: str) -> None:
        """Keep the facts and make the message."""
        self.package = package
        self.feature = feature
        self.extra = extra
        super().__init__(f'{feature} needs the package {package}: run pip install "torch-zoo[{extra}]"')


class MissingProgramError(ZooError):
    """Report a program that a feature starts and that is not installed.

    Args:
        program: Its name on the command line.
        feature: What the user asked for.
        advice: How to install it.
    """

    def __init__(self, program: str, feature: str, advice: str) -> None:
        """Keep the facts and make the message."""
        self.program = program
        self.feature = feature
        self.advice = advice
        super().__init__(f"{feature} needs the program {program}, which is not on the PATH; {advice}")


class OptionError(ZooError):
    """Report an option that an architecture's builder does not take, or a value that it refuses.

    Args:
        model: Name of the architecture.
        option: The option as the user typed it.
        fault: What the builder says.
    """

    def __init__(self, model: str, option: str, fault: str) -> None:
        """Keep the facts and make the message."""
        self.model = model
        self.option = option
        self.fault = fault
        super().__init__(f"{model} cannot be built with {option}: {fault}")


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
        self.place = place
        self.fault = fault
        super().__init__(f"{place} cannot be used: {fault}; mend or remove it")


class CacheError(ZooError):
    """Report a file of the cache that cannot be read, written or trusted.

    Args:
        file_name: Name of the weights file.
        fault: What was expected and what is there.
        advice: What to do.
    """

    def __init__(self, file_name: str, fault: str, advice: str) -> None:
        """Keep the facts and make the message."""
        self.file_name = file_name
        self.fault = fault
        self.advice = advice
        super().__init__(f"{file_name}: {fault}; {advice}")


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
        self.path = path
        self.fault = fault
        super().__init__(f"cannot write {path}: {fault}; free some space, or choose another place")


class LockFileError(ZooError):
    """Report a line of ``zoo.lock`` that cannot be read.

    Args:
        file: The lock file.
        line_number: Counted from 1.
        fault: What was expected and what stands there.
    """

    def __init__(self, file: str, line_number: int, fault: str) -> None:
        """Keep the facts and make the message."""
        self.file = file
        self.line_number = line_number
        self.fault = fault
        super().__init__(
            f"{file}, line {line_number}: {fault}; restore the file from version control, "
            "or remove the line to learn the digest again"
        )


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
        self.source = source
        self.fault = fault
        self.is_retryable = is_retryable
        self.retry_after_s = retry_after_s
        self.status = status
        super().__init__(f"{source}: {fault}")


class FetchError(ZooError):
    """Report that no source gave the right bytes of a file.

    Args:
        file_name: Name of the weights file.
        failures: What happened at each source, in the order in which they were tried.
        kept_bytes: How much lies in the partial file, to go on from.
    """

    def __init__(self, file_name: str, failures: Sequence[SourceError], kept_bytes: int = 0) -> None:
        """Keep the facts and make the message."""
        self.file_name = file_name
        self.failures = tuple(failures)
        self.kept_bytes = kept_bytes
        story = ", then ".join(str(failure) for failure in failures) or "it has no source"
        kept = f"{kept_bytes} bytes are kept, the next run goes on from there" if kept_bytes else "nothing was kept"
        is_passing = any(failure.is_retryable for failure in failures)
        advice = "try again later" if is_passing else "check the address"
        super().__init__(f"cannot fetch {file_name}: {story}; {kept}; {advice} or name another source with --mirror")


class CheckpointError(ZooError):
    """Report a file that cannot be read as weights.

    Args:
        file: The file's name.
        fault: What was expected and what stands there.
        advice: What to do.
    """

    def __init__(
        self, file: str, fault: str, advice: str = "get the file again, or ask its publisher for a sound one"
    ) -> None:
        """Keep the facts and make the message."""
        self.file = file
        self.fault = fault
        self.advice = advice
        super().__init__(f"{file} is refused: {fault}; {advice}")


class MismatchError(CheckpointError):
    """Report a state dict whose keys, shapes or types are not those of the network.

    Args:
        file: The file's name.
        network: Class of the network.
        differences: One line for each key that differs.
    """

    def __init__(self, file: str, network: str, differences: Sequence[str]) -> None:
        """Keep the facts and make the message."""
        self.network = network
        self.differences = tuple(differences)
        listing = "".join(f"\n  {line}" for line in differences)
        advice = "name the architecture and the number of classes that the file was saved from"
        super().__init__(file, f"its tensors do not fit {network}", f"{advice}. What differs:{listing}")


class MirrorError(ZooError):
    """Report a mirror, a bundle, or a request to one that cannot be used.

    Args:
        subject: The folder, file, repository or name.
        fault: What was expected and what is there.
        advice: What to do.
    """

    def __init__(self, subject: str, fault: str, advice: str) -> None:
        """Keep the facts and make the message."""
        self.subject = subject
        self.fault = fault
        self.advice = advice
        super().__init__(f"{subject}: {fault}; {advice}")


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

    def __init__(self, device: str, fault: str, devices: Sequence[str] = (), advice: str = "") -> None:
        """Keep the facts and make the message."""
        self.device = device
        self.fault = fault
        self.devices = tuple(devices)
        there = f"; this machine has {', '.join(devices)}" if devices else ""
        advice = advice or f"choose one with --device, for example --device {self.devices[-1] if devices else 'cpu'}"
        super().__init__(f"cannot use the device {device}: {fault}{there}; {advice}")


class ResultFileError(BenchError):
    """Report a file of benchmark results that cannot be used.

    Args:
        file: The file or folder.
        fault: Where in it, what was expected and what stands there.
    """

    def __init__(self, file: str, fault: str) -> None:
        """Keep the facts and make the message."""
        self.file = file
        self.fault = fault
        super().__init__(f'{file} is no result of "zoo bench": {fault}; measure again with --output {file}')


class UnlikeError(BenchError):
    """Report results that must not be compared.

    Args:
        model: The model whose results they are.
        differing: What differs, with its value in each file: ``{"precision": ("fp32", "bf16")}``.
    """

    def __init__(self, model: str, differing: Mapping[str, tuple[object, object]]) -> None:
        """Keep the facts and make the message."""
        self.model = model
        self.differing = dict(differing)
        listing = ", ".join(f"{key} ({one} and {other})" for key, (one, other) in differing.items())
        super().__init__(
            f"the two results of {model} were not measured alike, they differ in {listing}; "
            "measure both alike, or compare them all the same with --force"
        )


class PictureError(ZooError):
    """Report a picture that cannot be used.

    Args:
        place: The file, folder, pattern or URL.
        fault: What is wrong with it.
    """

    def __init__(self, place: str, fault: str) -> None:
        """Keep the facts and make the message."""
        self.place = place
        self.fault = fault
        super().__init__(f"cannot use the picture {place}: {fault}")


class DatasetError(ZooError):
    """Report a folder of labelled pictures that cannot be used.

    Args:
        place: The folder or folders.
        fault: What was expected.
    """

    def __init__(self, place: str, fault: str) -> None:
        """Keep the facts and make the message."""
        self.place = place
        self.fault = fault
        super().__init__(f"cannot use the data set {place}: {fault}")


class TrainingError(ZooError):
    """Report a training run that cannot begin, go on or converge.

    Args:
        place: The model or the folder.
        fault: What is wrong, and what to do.
    """

    def __init__(self, place: str, fault: str) -> None:
        """Keep the facts and make the message."""
        self.place = place
        self.fault = fault
        super().__init__(f"training {place}: {fault}")


class OptimizeError(ZooError):
    """Report a network that cannot be made faster as asked.

    Args:
        engine: How it was to be run.
        fault: What failed.
    """

    def __init__(self, engine: str, fault: str) -> None:
        """Keep the facts and make the message."""
        self.engine = engine
        self.fault = fault
        advice = "use the model itself" if engine == "eager" else "try the engine eager"
        super().__init__(f"the network cannot be optimized with the engine {engine}: {fault}; {advice}")

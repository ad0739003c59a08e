"""Places on the nodes of a Ray cluster: an actor each, which keeps its workshop warm.

Ray places the actors and reserves what they need, so that nobody else is put beside them; nodes may
join and be lost at any time.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from zoo.errors import ExecutorError, MissingPackageError
from zoo.executors.record import Ended, Needs, Place
from zoo.executors.workshops import open_workshop

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zoo.executors.record import Task

_CONNECT_TIMEOUT_S = 10.0
_CLOSE_TIMEOUT_S = 5.0
_CONNECT_HINT = 'start one with "ray start --head", and give its address with --address'


@dataclass(frozen=True, slots=True)
class Wish:
    """A place that a node could have."""

    name: str
    device: str
    """As torch names it for the actor."""
    node: str
    node_id: str
    reserved: Mapping[str, Any]
    """What Ray sets aside for it."""


@dataclass(slots=True)
class _Seat:
    """An actor on a node, and what it was asked."""

    wish: Wish
    actor: Any
    asked: Any
    """Reference of the answer that is waited for; ``None`` when it is free."""
    task: Task | None = None
    place: Place | None = None
    """``None`` until the actor has come up."""


class _Keeper:
    """The actor: opens a workshop on its node and passes on what is asked."""

    def __init__(
        self,
        workshop: str,
        device: str,
    ) -> None:
        self._workshop = open_workshop(workshop, device)

    def describe(self) -> Mapping[str, Any]:
        return self._workshop.describe()

    def carry_out(self, work: Mapping[str, Any]) -> Mapping[str, Any]:
        return self._workshop.carry_out(work)

    def close(self) -> None:
        self._workshop.close()


class RayExecutor:
    """The nodes of a Ray cluster.

    Args:
        workshop: Dotted path of what does the work; zoo must be installed on every node.
        address: Of the cluster, as ``ray.init`` takes it: ``"auto"``, ``"10.0.0.1:6379"``.
        needs: What each place reserves.

    Raises:
        MissingPackageError: Ray is not installed.
        ExecutorError: The cluster cannot be reached.
    """

    def __init__(
        self,
        workshop: str,
        address: str = "auto",
        needs: Needs | None = None,
    ) -> None:
        if find_spec("ray") is None:
            raise MissingPackageError("ray", "the executor ray", "ray")
        # Before Ray is imported, which takes seconds.
        _require_listener(address)
        self._ray = _import_ray()
        self._workshop = workshop
        self._needs = needs or Needs()
        self._seats: dict[str, _Seat] = {}
        self._ended: list[Ended] = []
        self._was_connected = self._ray.is_initialized()
        if not self._was_connected:
            self._connect(address)

    def _connect(self, address: str) -> None:
        """Join the cluster; what workers print stays in the nodes' own logs."""
        settings = {"log_to_driver": False, "configure_logging": False}
        try:
            self._ray.init(address=address, **settings)
        except Exception as error:
            # Ray raises every kind of error here, some of them without a narrower class.
            fault = _first_line(error)
            cluster = f"the Ray cluster at {address}"
            raise ExecutorError(cluster, fault, _CONNECT_HINT) from error

    def places(self) -> Sequence[Place]:
        """See :class:`~zoo.executors.record.Executor`."""
        nodes = [node for node in self._ray.nodes() if node["Alive"]]
        alive = {node["NodeID"] for node in nodes}
        for seat in list(self._seats.values()):
            if seat.wish.node_id not in alive:
                self._lose(seat, f"the node {seat.wish.node} was lost")

        for node in nodes:
            for wish in wishes_of(node, self._needs):
                if wish.name not in self._seats:
                    self._seats[wish.name] = self._ask_for(wish)

        self._greet()
        seats = self._seats.values()
        return [seat.place for seat in seats if seat.place is not None]

    def is_waiting(self) -> bool:
        """See :class:`~zoo.executors.record.Executor`."""
        seats = self._seats.values()
        return any(seat.place is None for seat in seats)

    def start(
        self,
        place: Place,
        task: Task,
    ) -> None:
        """See :class:`~zoo.executors.record.Executor`."""
        seat = self._seats[place.name]
        seat.task = task
        work = dict(task.work)
        seat.asked = seat.actor.carry_out.remote(work)

    def wait(self, timeout_s: float) -> list[Ended]:
        """See :class:`~zoo.executors.record.Executor`."""
        at_work = [seat for seat in self._seats.values() if seat.task is not None]
        if not self._ended:
            self._wait_for(at_work, timeout_s)
        ended = self._ended
        self._ended = []
        return ended

    def _wait_for(
        self,
        at_work: Sequence[_Seat],
        timeout_s: float,
    ) -> None:
        """Collect the answers that come in time; actors that are coming up end the waiting too."""
        coming = [seat for seat in self._seats.values() if seat.place is None]
        references = [seat.asked for seat in (*at_work, *coming)]
        if not references:
            return
        ready, _ = self._ray.wait(references, timeout=timeout_s)
        for seat in at_work:
            if seat.asked in ready:
                self._collect(seat)

    def close(self) -> None:
        """See :class:`~zoo.executors.record.Executor`."""
        # An actor at work would close its workshop only after that, and one that is killed never.
        free = [seat.actor for seat in self._seats.values() if seat.asked is None]
        closing = [actor.close.remote() for actor in free]
        if closing:
            self._ray.wait(
                closing,
                num_returns=len(closing),
                timeout=_CLOSE_TIMEOUT_S,
            )

        for seat in self._seats.values():
            self._ray.kill(seat.actor)
        self._seats.clear()
        if not self._was_connected:
            self._ray.shutdown()

    def _ask_for(self, wish: Wish) -> _Seat:
        """Ask Ray for an actor on one node."""
        strategies = self._ray.util.scheduling_strategies
        affinity = strategies.NodeAffinitySchedulingStrategy
        options = {
            **wish.reserved,
            "scheduling_strategy": affinity(wish.node_id, soft=False),
            # A place that is lost is the business of who gave it work; Ray must not move it.
            "max_restarts": 0,
            "max_task_retries": 0,
        }
        keeper = self._ray.remote(_Keeper).options(**options)
        actor = keeper.remote(self._workshop, wish.device)
        described = actor.describe.remote()
        return _Seat(wish, actor, described)

    def _greet(self) -> None:
        """Make places of the actors that have come up."""
        for seat in list(self._seats.values()):
            if seat.place is None:
                self._greet_one(seat)

    def _greet_one(self, seat: _Seat) -> None:
        ready, _ = self._ray.wait([seat.asked], timeout=0)
        if not ready:
            return
        try:
            facts = self._ray.get(seat.asked)
        except self._ray.exceptions.RayTaskError as error:
            # The workshop cannot be opened there: zoo is missing, or another version.
            node = f"the node {seat.wish.node}"
            advice = "install the same torch-zoo on every node"
            raise ExecutorError(node, _first_line(error.cause or error), advice) from error
        except self._ray.exceptions.RayError as error:
            self._lose(seat, _first_line(error))
            return
        wish = seat.wish
        seat.place = Place(wish.name, wish.node, facts)
        seat.asked = None

    def _collect(self, seat: _Seat) -> None:
        """Take the answer of a seat, or its loss."""
        task, place = seat.task, seat.place
        if task is None or place is None:
            return
        try:
            answer = self._ray.get(seat.asked)
        except self._ray.exceptions.RayTaskError as error:
            # The workshop itself failed; its place is as good as before.
            cause = _first_line(error.cause or error)
            failure = {"kind": "failed", "message": cause}
            answer = {"failure": failure}
        except self._ray.exceptions.RayError as error:
            self._lose(seat, _first_line(error))
            return
        seat.asked = None
        seat.task = None
        self._ended.append(Ended(place, task, answer))

    def _lose(
        self,
        seat: _Seat,
        why: str,
    ) -> None:
        """Forget a seat; its task comes back without an answer."""
        self._seats.pop(seat.wish.name, None)
        task, place = seat.task, seat.place
        if task is not None and place is not None:
            lost = Ended(place, task, lost=why)
            self._ended.append(lost)


def wishes_of(
    node: Mapping[str, Any],
    needs: Needs,
) -> list[Wish]:
    """Work out the places that a node can have.

    Args:
        node: As Ray lists it.
        needs: What each place reserves.
    """
    resources = node["Resources"]
    cpus = int(resources.get("CPU", 0))
    gpus = int(resources.get("GPU", 0))
    address = node["NodeManagerAddress"]
    node_id = node["NodeID"]
    label = f"{address}#{node_id[:6]}"

    shared: dict[str, Any] = {}
    if needs.memory_bytes is not None:
        if resources.get("memory", 0) < needs.memory_bytes:
            return []  # Ray would wait for ever for a node that can never have it
        shared["memory"] = needs.memory_bytes
    is_on_gpus = needs.device == "cuda" or (needs.device == "auto" and gpus > 0)
    if not is_on_gpus:
        reserved = {**shared, "num_cpus": cpus}
        whole = Wish(f"{label} cpu", "cpu", address, node_id, reserved)
        return [whole] if cpus else []

    wishes: list[Wish] = []
    for index in range(gpus):
        reserved = {
            **shared,
            "num_cpus": cpus // gpus,
            "num_gpus": 1,
        }
        name = f"{label} gpu {index}"
        # In the actor, CUDA_VISIBLE_DEVICES makes its GPU the first.
        wishes.append(Wish(name, "cuda:0", address, node_id, reserved))
    return wishes


def _require_listener(address: str) -> None:
    """Refuse an address where nobody listens; Ray itself would try for minutes.

    Raises:
        ExecutorError: See above.
    """
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdecimal():
        return
    try:
        with socket.create_connection((host, int(port)), _CONNECT_TIMEOUT_S):
            return
    except OSError as error:
        cluster = f"the Ray cluster at {address}"
        fault = error.strerror or str(error)
        raise ExecutorError(cluster, fault, _CONNECT_HINT) from error


def _first_line(error: BaseException) -> str:
    name = type(error).__name__
    lines = str(error).strip().splitlines()
    first = lines[0] if lines else "no message"
    return f"{name}: {first}"


def _import_ray() -> Any:
    # Ray reports its use over the network unless it is told not to.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray
    import ray.exceptions
    import ray.util.scheduling_strategies

    return ray

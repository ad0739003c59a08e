"""What each node of a Ray cluster is asked for, without a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from zoo.executors.cluster import wishes_of
from zoo.executors.record import Needs

if TYPE_CHECKING:
    from collections.abc import Mapping

MEMORY = {"num_cpus": 8, "memory": 10**9}


@pytest.mark.parametrize(
    ("resources", "needs", "expected"),
    [
        ({"CPU": 8.0}, Needs(), [{"num_cpus": 8}]),
        ({"CPU": 8.0, "GPU": 2.0}, Needs("cuda"), [{"num_cpus": 4, "num_gpus": 1}] * 2),
        ({"CPU": 8.0}, Needs("cuda"), []),
        ({"GPU": 2.0}, Needs(), []),
        ({"CPU": 8.0, "GPU": 2.0}, Needs("auto"), [{"num_cpus": 4, "num_gpus": 1}] * 2),
        ({"CPU": 8.0}, Needs("auto"), [{"num_cpus": 8}]),
        ({"CPU": 8.0, "memory": 2e9}, Needs(memory_bytes=10**9), [MEMORY]),
        ({"CPU": 8.0, "memory": 2e8}, Needs(memory_bytes=10**9), []),
    ],
)
def test_a_place_reserves_its_share_and_no_two_share_a_device(
    resources: Mapping[str, float], needs: Needs, expected: list[dict[str, int]]
) -> None:
    """All CPUs of a node, or a GPU and its share of them; nothing of a node that has too little."""
    node = {"Resources": resources, "NodeManagerAddress": "10.0.0.1", "NodeID": "abcdef12"}
    wishes = wishes_of(node, needs)
    assert [wish.reserved for wish in wishes] == expected
    assert len({wish.name for wish in wishes}) == len(wishes)

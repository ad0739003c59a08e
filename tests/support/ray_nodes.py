"""A Ray cluster of two nodes on this machine, as a program: prints its address, then obeys stdin.

``kill`` ends the second node as a power cut would, ``add`` starts another, the end of stdin ends
everything.
"""

from __future__ import annotations

import os
import socket
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_STORE_BYTES = 80 * 2**20
_ATTEMPTS = 4


def patiently(start: Callable[[], Any]) -> Any:
    """Start a part of a cluster, again where it was too slow: Ray gives up after a fixed 15 s."""
    for _ in range(_ATTEMPTS - 1):
        try:
            return start()
        except Exception as error:  # noqa: BLE001 - Ray raises no narrower one
            sys.stderr.write(f"{error}\n")
    return start()


def settings() -> dict[str, int]:
    """Make a small node; with ports given, Ray does not wait for its agent to name them."""
    names = ("metrics_agent_port", "metrics_export_port", "dashboard_agent_listen_port")
    ports = {name: free_port() for name in (*names, "runtime_env_agent_port")}
    return {"num_cpus": 1, "object_store_memory": _STORE_BYTES, **ports}


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def main() -> None:
    """Start, say the address, obey."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    # Nobody looks at its pages, reads its logs or has it scaled.
    spared = {"include_dashboard": False, "include_log_monitor": False, "no_monitor": True}
    cluster = patiently(lambda: Cluster(True, head_node_args={**settings(), **spared}))
    second = patiently(lambda: cluster.add_node(**settings()))
    sys.stdout.write(f"{cluster.address}\n")
    sys.stdout.flush()
    for line in sys.stdin:
        if line.strip() == "kill":
            cluster.remove_node(second, allow_graceful=False)
        elif line.strip() == "add":
            second = patiently(lambda: cluster.add_node(**settings()))
        sys.stdout.write("done\n")
        sys.stdout.flush()
    cluster.shutdown()


if __name__ == "__main__":
    main()

"""Numbers for Prometheus, on a port of their own.

The metrics are those of one server; with none asked for, nothing is counted.
"""

from __future__ import annotations

import shutil
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from zoo.errors import MissingPackageError, SourceError
from zoo.mirror.responses import AnyResponse, FileResponse, StreamResponse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aiohttp import web

    from zoo.mirror.serve.access_log import LogEntry

UPSTREAM_BUCKETS_S = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """What one server has done so far.

    Args:
        staging: A folder on the mirror's disk.

    Raises:
        MissingPackageError: prometheus-client is not installed.
    """

    def __init__(self, staging: Path) -> None:
        client = _prometheus()
        self._client = client
        self._staging = staging
        self._registry = client.CollectorRegistry()
        self._requests = self._counter("requests", "Requests answered.", "method", "status")
        self._sent = self._counter("sent_bytes", "Bytes of bodies sent.")
        self._unfinished = self._counter("unfinished", "Responses without an end.", "ending")
        self._lookups = self._counter("files", "Files asked for, by where they were.", "found")
        self._failures = self._counter("upstream_failures", "Upstream failures.", "reason")
        self._refused = self._counter(
            "refused_bytes", "Bytes from upstreams that were refused.", "reason"
        )
        self._upstream_s = client.Histogram(
            "zoo_mirror_upstream_seconds",
            "Time until an upstream has answered.",
            buckets=UPSTREAM_BUCKETS_S,
            registry=self._registry,
        )
        free = client.Gauge(
            "zoo_mirror_disk_free_bytes",
            "Free bytes on the mirror's disk.",
            registry=self._registry,
        )
        free.set_function(self._free_bytes)

    def _counter(
        self,
        name: str,
        words: str,
        *labels: str,
    ) -> Any:
        return self._client.Counter(f"zoo_mirror_{name}", words, labels, registry=self._registry)

    def _free_bytes(self) -> float:
        try:
            return shutil.disk_usage(self._staging).free
        except OSError:
            return float("nan")

    def count_response(self, response: AnyResponse) -> None:
        """Count where a file was found."""
        if isinstance(response, FileResponse):
            self._lookups.labels("here").inc()
        elif isinstance(response, StreamResponse):
            self._lookups.labels("upstream").inc()

    def count_request(self, entry: LogEntry) -> None:
        """Count a request that has ended."""
        if entry.ending is not None:
            self._unfinished.labels(entry.ending).inc()
        self._requests.labels(entry.method, str(entry.status or "none")).inc()
        self._sent.inc(entry.sent_bytes)

    def count_refused(
        self,
        error: BaseException,
        size_bytes: int,
    ) -> None:
        """Count bytes that an upstream has sent and that were not kept."""
        self._refused.labels(type(error).__name__).inc(size_bytes)

    @contextmanager
    def timing_upstream(self) -> Iterator[None]:
        """Measure how long an upstream takes, and count its failures."""
        start_s = time.monotonic()
        try:
            yield
        except SourceError as error:
            status = error.status
            self._failures.labels(str(status) if status is not None else "no answer").inc()
            raise
        finally:
            self._upstream_s.observe(time.monotonic() - start_s)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer Prometheus."""
        from aiohttp import web

        if request.path != "/metrics":
            return web.Response(status=404, text="only /metrics is here\n")
        body = self._client.generate_latest(self._registry)
        return web.Response(body=body, headers={"Content-Type": self._client.CONTENT_TYPE_LATEST})


def _prometheus() -> Any:
    try:
        import prometheus_client
    except ImportError as error:
        feature = "zoo mirror serve --metrics-port"
        raise MissingPackageError("prometheus_client", feature, "mirror") from error
    return prometheus_client

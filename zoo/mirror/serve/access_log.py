"""One line for each request: who asked for what, what came of it.

Never a header but the agent, never a query: both may hold tokens. What a client writes reaches the
log only in printable letters.
"""

from __future__ import annotations

import json
import logging
import secrets
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

LOG = logging.getLogger("zoo.mirror.access")
Format = Literal["text", "json"]
NOT_FOUND = 404
MAX_PATH = 300
MAX_AGENT = 120


def printable(
    text: str,
    most: int,
) -> str:
    """Make a text fit into one line, whoever wrote it."""
    quoted = ascii(text)
    plain = quoted[1:-1]
    return plain[:most]


@dataclass
class LogEntry:
    """One request, from its first line to the end of its response."""

    client: str
    method: str
    target: str
    """Host, if the client believes to ask another one, and path."""
    agent: str
    request_id: str = field(default_factory=lambda: secrets.token_hex(8))
    status: int = 0
    sent_bytes: int = 0
    ending: str | None = None
    """Why the response did not come to its end: ``"broken off"`` or ``"client left"``."""
    reason: str | None = None
    """Why it is a refusal."""
    started_s: float = field(default_factory=time.monotonic)

    def add_sent(self, count: int) -> None:
        """Count bytes of the body."""
        self.sent_bytes += count

    def write(self, form: Format) -> None:
        """Write the line; a refusal is louder than the rest."""
        level = logging.WARNING if self.is_refusal else logging.INFO
        line = self._as_json() if form == "json" else self._as_text()
        LOG.log(level, "%s", line)

    @property
    def is_refusal(self) -> bool:
        """Whether more was wrong than that there is no such thing."""
        return self.status >= 400 and self.status != NOT_FOUND

    @property
    def took_ms(self) -> float:
        """How long it has taken so far."""
        took_s = time.monotonic() - self.started_s
        return 1000 * took_s

    def _as_text(self) -> str:
        """Write the request for people."""
        words = [
            self.client,
            self.method,
            self.target,
            self.ending or str(self.status),
            f"{self.sent_bytes} B",
            f"{self.took_ms:.0f} ms",
            self.agent or "-",
            self.request_id,
        ]
        if self.reason is not None:
            words.append("refused:" if self.is_refusal else "because")
            words.append(self.reason)
        return " ".join(words)

    def _as_json(self) -> str:
        """Write the request for programs."""
        content = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "request_id": self.request_id,
            "client": self.client,
            "method": self.method,
            "target": self.target,
            "status": self.status,
            "ending": self.ending,
            "reason": self.reason,
            "sent_bytes": self.sent_bytes,
            "took_ms": round(self.took_ms, 1),
            "agent": self.agent,
        }
        known = {name: value for name, value in content.items() if value is not None}
        return json.dumps(known)


class JsonLines(logging.Formatter):
    """Write whatever is logged as one JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Leave a request as it is, and make an object of every other message."""
        message = super().format(record)
        if record.name == LOG.name:
            return message

        written = datetime.fromtimestamp(record.created, UTC)
        content = {
            "time": written.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": message,
        }
        return json.dumps(content)


def formatter(form: Format) -> logging.Formatter:
    """Return what turns a log record into a line."""
    if form == "json":
        return JsonLines()
    return logging.Formatter("%(asctime)s %(message)s")


class OneLine(logging.Filter):
    """Make one line of what libraries log about connections that their other side has broken."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Replace the traceback by what happened; a fault of the program keeps its traceback."""
        error = record.exc_info[1] if record.exc_info else None
        is_broken = isinstance(error, OSError | EOFError | TimeoutError)
        if is_broken or _is_bad_http(error):
            kind = type(error).__name__
            words = printable(f"{kind}: {error}", MAX_PATH)
            first_line, _, _ = record.getMessage().partition("\n")
            record.msg = f"{first_line} ({words})"
            record.args = ()
            record.exc_info = None
            record.exc_text = None
        return True


def _is_bad_http(error: BaseException | None) -> bool:
    """Tell whether a client spoke no HTTP."""
    if error is None:
        return False

    module = type(error).__module__
    return module.startswith("aiohttp.http_exceptions")

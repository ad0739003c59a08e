"""What docs/architecture.md draws: a download, and a request to a mirror."""

from __future__ import annotations

from scripts.svg_flows import Flow, Lane, Step

DOWNLOAD = Flow(
    "zoo download: the command asks the registry what the file is, the cache what lies there; the "
    "fetcher plans, workers fetch parts, and the whole, verified file gets its name",
    (
        Lane("command", "zoo.cli.download"),
        Lane("registry", "zoo.catalog"),
        Lane("cache", "zoo.cache.status"),
        Lane("fetcher", "zoo.download.fetcher"),
        Lane("workers", "zoo.download.crew"),
        Lane("server", "publisher or mirror"),
    ),
    (
        Step(0, 1, "resnet18"),
        Step(1, 0, "URL, length, digest"),
        Step(0, 3, "fetch this file"),
        Step(3, 2, "what lies under its name?"),
        Step(2, 3, "nothing, 12 MB of it, all"),
        Step(3, 3, "plan; one process a file from here on"),
        Step(3, 4, "parts still missing"),
        Step(4, 5, "GET, one range each"),
        Step(5, 4, "cut after a while", is_fault=True),
        Step(4, 4, "journal what is on the disk; wait; next range"),
        Step(4, 5, "GET what is missing"),
        Step(5, 4, "the rest"),
        Step(4, 3, "all parts, hashed"),
        Step(3, 3, "length and digest right? sync, then rename"),
        Step(3, 0, "path, digest"),
    ),
)
MIRROR = Flow(
    "A request to a mirror: torch.hub connects through the proxy; the server finds the file in the "
    "index and sends it, or pulls it from the publisher, verified, while the client already reads",
    (
        Lane("torch.hub", "HTTPS_PROXY is set"),
        Lane("proxy", "zoo.mirror.serve.proxy"),
        Lane("server", "zoo.mirror.serve.server"),
        Lane("index", "zoo.mirror.index"),
        Lane("pull", "zoo.mirror.serve.pull"),
        Lane("publisher", "download.pytorch.org"),
    ),
    (
        Step(0, 1, "CONNECT to the publisher"),
        Step(1, 1, "TLS ends here for intercepted hosts, others pass"),
        Step(1, 2, "GET /models/resnet18.pth"),
        Step(2, 3, "which file is that?"),
        Step(3, 2, "held: path, length, digest"),
        Step(2, 0, "200 or 206 from the store"),
        Step(3, 2, "not held", is_fault=True),
        Step(2, 4, "pull it, if that is on"),
        Step(4, 5, "GET, once for all clients"),
        Step(5, 4, "bytes"),
        Step(4, 0, "the same bytes as they arrive"),
        Step(4, 4, "length and digest right? keep it, else not"),
        Step(4, 3, "one entry more"),
    ),
)

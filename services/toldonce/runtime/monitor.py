"""Reads a nats-server's monitoring pages: the only place that tells how a node was configured.

A log is only as durable as the least careful node, so every node is asked; a node that does not
answer counts as a node that is wrong.
"""

import asyncio
import json
import re
import ssl
from collections.abc import Collection, Sequence
from typing import Any
from urllib.parse import urlsplit

from toldonce.kernel.errors import Unavailable

VERSION_MIN = (2, 14, 5)
_PAGE_BYTES_MAX = 4 * 1024 * 1024
_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")


async def page(url: str, *, timeout_s: float = 2.0) -> Any:  # noqa: ANN401  a page is any JSON
    """Fetch one monitoring page; raises OSError, ValueError or TimeoutError when there is none."""
    parts = urlsplit(url)
    secure = ssl.create_default_context() if parts.scheme == "https" else None
    port = parts.port or (443 if secure else 80)
    async with asyncio.timeout(timeout_s):
        reader, writer = await asyncio.open_connection(
            parts.hostname, port, ssl=secure, limit=_PAGE_BYTES_MAX
        )
        try:
            path = parts.path + (f"?{parts.query}" if parts.query else "")
            request = f"GET {path} HTTP/1.0\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n"
            writer.write(request.encode())
            answer = await reader.read(_PAGE_BYTES_MAX)
            while chunk := await reader.read(_PAGE_BYTES_MAX):
                answer += chunk
        finally:
            writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    status = head.split(b" ", 2)[1:2]
    if status != [b"200"]:
        raise ValueError(f"{url} answered {status}")
    return json.loads(body)


async def check_nodes(
    urls: Sequence[str], *, peers: Collection[str] = (), must_answer: bool = True
) -> None:
    """Raise Unavailable with a sentence unless every node is new enough and syncs always.

    `urls` are the monitoring addresses of all nodes (`http://host:8222`), `peers` the names of the
    nodes that hold the stream: each must be among those that answered. With `must_answer` False
    silence is let pass (a node may be down) and only a wrong answer is refused.
    """
    if not urls:
        raise Unavailable(
            "No monitoring address of any NATS node is set, so nobody can tell whether the log "
            "survives a power cut. Set the monitoring address of every node."
        )
    names = await asyncio.gather(
        *(_check_node(url.rstrip("/"), must_answer=must_answer) for url in urls)
    )
    unseen = sorted(set(peers) - set(names))
    if unseen:
        raise Unavailable(
            f"The log is also kept by {', '.join(unseen)}, whose monitoring address is not set. "
            "Set the monitoring address of every node."
        )


def check_version(version: str, where: str) -> None:
    """Raise Unavailable with a sentence when a nats-server is older than we can trust."""
    match = _VERSION.match(version)
    if match is None or tuple(int(n) for n in match.groups()) < VERSION_MIN:
        floor = ".".join(str(n) for n in VERSION_MIN)
        raise Unavailable(
            f"nats-server {version or 'of unknown version'} at {where} is too old: it silently "
            f"ignores what keeps the log safe. Install {floor} or later."
        )


async def _check_node(url: str, *, must_answer: bool) -> str:
    try:
        general, jetstream = await asyncio.gather(page(f"{url}/varz"), page(f"{url}/jsz"))
        name = str(general.get("server_name", ""))
        version = str(general.get("version", ""))
        always = jetstream.get("config", {}).get("sync_always") is True
    except (OSError, TimeoutError, ValueError, AttributeError) as error:
        if not must_answer:
            return ""
        raise Unavailable(
            f"The NATS node at {url} does not answer its monitoring page, so nobody can tell "
            f"whether it keeps what it acknowledges ({type(error).__name__}). Start it, or correct "
            "its address."
        ) from error
    check_version(version, url)
    if not always:
        raise Unavailable(
            f"The NATS node at {url} acknowledges before it has written to disk. Set "
            "'sync_interval: always' in its jetstream block and restart it."
        )
    return name

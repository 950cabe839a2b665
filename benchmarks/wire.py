"""What a page costs on the wire, as Chromium itself counts it (DevTools protocol, Network domain).

Bytes as sent are `encodedDataLength`: headers and body as received. Beside them stand the bytes as a compressing
proxy in front of the product would send them (gzip, where that is less), so that a peer whose own server does not
compress is not made to look worse than it is in use. Redirects count as requests of their own; what comes out of the
browser's cache costs no request here. Foreign hosts cannot be reached, for ours and the peer alike.
"""

import base64
import gzip
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Error, Page, ViewportSize, sync_playwright

from tests.parts import chromium

QUIET_SECONDS = 1.5
BUFFER = 2**27
ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"]
VIEWPORT: ViewportSize = {"width": 1440, "height": 900}


@dataclass
class Traffic:
    """The requests since the meter was last read."""

    requests: dict[str, str] = field(default_factory=dict)
    bytes: dict[str, float] = field(default_factory=dict)
    headers: dict[str, float] = field(default_factory=dict)
    compressed: dict[str, float] = field(default_factory=dict)
    foreign: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        return len(self.requests)

    @property
    def kilobytes_sent(self) -> float:
        return round(sum(self.bytes.values()) / 1000, 1)

    @property
    def kilobytes(self) -> float:
        """Compressed, whoever compresses."""
        return round(sum(self.compressed.values()) / 1000, 1)

    def largest(self, number: int = 8) -> list[tuple[str, float]]:
        """The heaviest requests: (path, kB)."""
        ordered = sorted(self.compressed, key=lambda key: -self.compressed[key])[:number]
        return [(self.requests.get(key, "?"), round(self.compressed[key] / 1000, 1)) for key in ordered]


class Meter:
    """Counts what one page asks for and receives."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.traffic = Traffic()
        self._last = time.monotonic()
        self._cached: set[str] = set()
        self._session = session = page.context.new_cdp_session(page)
        session.send("Network.enable", {"maxTotalBufferSize": BUFFER, "maxResourceBufferSize": BUFFER})
        session.on("Network.requestWillBeSent", self._sent)
        session.on("Network.requestServedFromCache", self._from_cache)
        session.on("Network.responseReceived", self._received)
        session.on("Network.loadingFinished", self._finished)

    def settle(self, patience: float = 60) -> None:
        """Wait until nothing has moved for a while."""
        start = self._last = time.monotonic()
        while time.monotonic() - self._last < QUIET_SECONDS and time.monotonic() - start < patience:
            self.page.wait_for_timeout(100)

    def read(self) -> Traffic:
        """What happened since the last reading, once it is quiet."""
        self.settle()
        traffic, self.traffic = self.traffic, Traffic()
        for key, sent in traffic.bytes.items():
            traffic.compressed[key] = min(sent, traffic.headers.get(key, 0) + self._gzipped(key, sent))
        return traffic

    def _gzipped(self, key: str, otherwise: float) -> float:
        """Bytes of a response's body after gzip; `otherwise` where it has none or the browser dropped it."""
        try:
            answer = self._session.send("Network.getResponseBody", {"requestId": key})
        except Error:
            return otherwise
        text = answer["body"]
        return len(gzip.compress(base64.b64decode(text) if answer["base64Encoded"] else text.encode(), 6))

    def _sent(self, event: dict[str, Any]) -> None:
        self._last = time.monotonic()
        url, key = event["request"]["url"], event["requestId"]
        if not url.startswith("http"):
            return
        if not url.startswith("http://127.0.0.1"):
            self.traffic.foreign.append(url.split("?")[0])
            return
        if redirect := event.get("redirectResponse"):
            earlier = f"{key} redirect {len(self.traffic.requests)}"
            self.traffic.requests[earlier] = self.traffic.requests.pop(key, "?")
            self.traffic.bytes[earlier] = redirect["encodedDataLength"]
        self.traffic.requests[key] = "/" + url.split("?")[0].split("/", 3)[-1]

    def _from_cache(self, event: dict[str, Any]) -> None:
        self._drop(event["requestId"])

    def _received(self, event: dict[str, Any]) -> None:
        if event["response"].get("fromDiskCache"):
            self._drop(event["requestId"])
        else:
            self.traffic.headers[event["requestId"]] = event["response"]["encodedDataLength"]

    def _drop(self, key: str) -> None:
        self._cached.add(key)
        self.traffic.requests.pop(key, None)

    def _finished(self, event: dict[str, Any]) -> None:
        self._last = time.monotonic()
        if event["requestId"] in self.traffic.requests and event["requestId"] not in self._cached:
            self.traffic.bytes[event["requestId"]] = event["encodedDataLength"]


@contextmanager
def browser() -> Iterator[Browser]:
    """A real Chromium without access to other hosts."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        try:
            yield started
        finally:
            started.close()


def cold(started: Browser, *, state: Any = None) -> BrowserContext:
    """A context with an empty cache; `state` carries cookies only, so that somebody is logged in."""
    return started.new_context(viewport=VIEWPORT, storage_state=state)

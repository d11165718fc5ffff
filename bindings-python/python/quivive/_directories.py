"""The keys that agents publish, fetched off the request for a detection guard."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import httpx

from . import _native
from ._native import DetectionGuard
from ._origins import Origin, origin_of, read_url
from .errors import InvalidInput
from .types import GuardRequest

_MEDIA_TYPES = "application/http-message-signatures-directory+json, application/json;q=0.9"
_SECONDS = 3.0
_LARGEST = 65_536
_MOST_DIRECTORIES = 1_000
_MOST_UNDER_WAY = 16
_PAUSE = 60.0
_SHORTEST_LIFE, _LONGEST_LIFE = 3_600.0, 86_400.0
_MAX_AGE = re.compile(r"(?:^|,)\s*max-age=\"?(\d{1,9})", re.IGNORECASE)


@dataclass
class _State:
    asked_at: float
    due_at: float | None = None
    fetching: Future[None] | None = None


class KeyDirectories:
    """Fetches key directories of agents that are trusted, and renews them.

    Only origins of catalogued agents and those that the site lists are ever asked: by `https`, without redirections,
    for 3 s and 64 KiB at most. A directory is renewed as its `Cache-Control` says, within an hour and a day; keys that
    could not be renewed count for a day. A directory is asked again at most once a minute. Where the name of a trusted
    origin leads is left to its owner: addresses are not looked at.
    """

    def __init__(
        self,
        guard: DetectionGuard,
        trusted: bool | Iterable[str],
        fail: Callable[[Exception], None],
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        listed = [] if isinstance(trusted, bool) else list(trusted)
        self._guard = guard
        self._trusted = {_origin(text) for text in [*guard.signing_origins, *listed]}
        self._fail = fail
        self._transport = transport
        self._known: dict[str, _State] = {}
        self._under_way = 0
        self._next_due = float("inf")
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(2, "quivive-keys")

    def fetch(self, request: GuardRequest) -> list[Future[None]]:
        """Start to fetch the keys that a request needs, and those that are due; gives the former."""
        wanted: list[Future[None]] = []
        if any(name.lower() == "signature-input" for name, _ in request.get("headers", [])):
            urls = [location["url"] for location in self._guard.wanted_directories(**request)]
            wanted = [fetch for fetch in map(self._begin, urls) if fetch is not None]
        if self._next_due <= time.monotonic():
            self._renew()
        return wanted

    def _begin(self, url: str) -> Future[None] | None:
        """The fetch of a directory that is under way or begins; nothing where it may not be asked now."""
        if origin_of(httpx.URL(url)) not in self._trusted:
            return None
        now = time.monotonic()
        with self._lock:
            state = self._known.get(url)
            if state is not None and state.fetching is not None:
                return state.fetching
            if self._under_way >= _MOST_UNDER_WAY:
                return None
            if state is None:
                if len(self._known) >= _MOST_DIRECTORIES:
                    return None
                state = self._known[url] = _State(now)
            elif now - state.asked_at < _PAUSE:
                return None
            state.asked_at = now
            self._under_way += 1
            state.fetching = self._threads.submit(self._ask, url, state)
            return state.fetching

    def _renew(self) -> None:
        now = time.monotonic()
        with self._lock:
            due = [url for url, state in self._known.items() if state.due_at is not None and state.due_at <= now]
            self._next_due = now + _PAUSE
        for url in due:
            self._begin(url)

    def _ask(self, url: str, state: _State) -> None:
        pause = None if state.due_at is None else _PAUSE
        try:
            document, pause = self._get(url)
            if not _native.parse_key_directory(document=document)["keys"]:
                # Some services answer a fault of theirs with an empty set; it must not displace good keys.
                raise InvalidInput("INVALID_KEY", f"{url} holds no keys")
            until = int((time.time() + _LONGEST_LIFE) * 1_000)
            self._guard.set_directory(url=url, document=document, until=until)
        except Exception as error:
            self._fail(error)
        finally:
            with self._lock:
                self._under_way -= 1
                state.fetching = None
                state.due_at = None if pause is None else time.monotonic() + pause
                if state.due_at is not None:
                    self._next_due = min(self._next_due, state.due_at)

    def _get(self, url: str) -> tuple[str, float]:
        """A document, and for how many seconds it is fresh."""
        end = time.monotonic() + _SECONDS
        headers = {"Accept": _MEDIA_TYPES, "Accept-Encoding": "identity"}
        with (
            httpx.Client(timeout=_SECONDS, transport=self._transport, headers=headers) as client,
            client.stream("GET", url) as response,
        ):
            if response.status_code != 200 or "content-encoding" in response.headers:
                raise InvalidInput("INVALID_KEY", f"{url} answered {response.status_code} without a directory")
            content = bytearray()
            for chunk in response.iter_raw():
                content += chunk
                if len(content) > _LARGEST or time.monotonic() > end:
                    raise InvalidInput("INVALID_KEY", f"{url} is larger than 64 KiB or slower than 3 s")
        match = _MAX_AGE.search(response.headers.get("cache-control", ""))
        fresh = float(match[1]) if match else 0.0
        return content.decode(), min(max(fresh, _SHORTEST_LIFE), _LONGEST_LIFE)


def _origin(text: str) -> Origin:
    url = read_url(text, "origin of a key directory")
    if url.scheme != "https":
        raise InvalidInput("INVALID_INPUT", f"`{text}` is no https origin", {"field": "key_directories"})
    return origin_of(url)

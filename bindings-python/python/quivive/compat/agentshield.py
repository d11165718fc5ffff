"""`AgentShield`: the AgentShield-compatible API with the habits that its documentation asks of clients.

Detections are remembered for a minute, events are collected and sent in batches, and a request that meets a full
window or a fault is sent again, later each time.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import random
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, cast

import httpx

from .._flows import USER_AGENT, read_body
from .._origins import is_safe, read_url
from .._records import Detection
from ..errors import ApiError, ConnectionFailed, InvalidInput, QuiviveError
from ._collector import Collector
from ._memory import Memory

__all__ = ["AgentShield", "Projects"]

DEFAULT_URL = "https://api.agentshield.io/api/v1"
LONGEST_PAUSE = 30.0


class AgentShield:
    """Calls the service with an API key, a pixel id or both; safe to share between threads.

    `api_key` is by default the environment variable `AGENTSHIELD_API_KEY`, and is never logged. `cache_seconds` is how
    long a detection is remembered (0 turns that off), for at most `cache_entries` of them. Events are sent when
    `batch_size` of them have come together, after `flush_seconds`, by `flush`, by `close`, and when the program ends.

    A request that is answered with 429 or 5xx, or not at all, is sent again at most `retries` times, after a random
    part of 0.5 s, 1 s, 2 s and so on up to 30 s, and not before a `Retry-After`; then, or when a service asks for more
    patience than 30 s, the last error is raised. Events carry an id, so that one sent twice is stored once.
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        pixel_id: str | None = None,
        base_url: str = DEFAULT_URL,
        project_id: str | None = None,
        timeout: float = 10.0,
        cache_seconds: float = 60.0,
        cache_entries: int = 10_000,
        batch_size: int = 10,
        flush_seconds: float = 5.0,
        retries: int = 5,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        key = api_key if api_key is not None else os.environ.get("AGENTSHIELD_API_KEY")
        self._credentials = {
            name: value
            for name, value in [
                ("X-AgentShield-Key", key),
                ("X-Pixel-ID", pixel_id),
                ("X-AgentShield-Project", project_id),
            ]
            if value
        }
        if not 1 <= batch_size <= 100:
            raise InvalidInput("INVALID_INPUT", "batch_size is from 1 to 100")
        self._base = _base(base_url)
        self._retries = retries
        self._is_closing = threading.Event()
        self._http = httpx.Client(headers={"User-Agent": USER_AGENT}, timeout=timeout, transport=transport)
        self._memory: Memory[Detection] = Memory(cache_seconds, cache_entries)
        self._collector = Collector(self.batch, batch_size, flush_seconds)
        atexit.register(self.close)
        self.projects = Projects(self)

    def detect(
        self,
        user_agent: str | None = None,
        *,
        ip: str | None = None,
        headers: Mapping[str, str] | None = None,
        url: str | None = None,
        method: str | None = None,
    ) -> Detection:
        """Tell what a request looks like; at least one of `user_agent`, `ip` and `headers` is needed.

        The answer for the same three may be up to `cache_seconds` old. Raises `ApiError`, `ConnectionFailed`.
        """
        visit = {"userAgent": user_agent, "ip": ip, "headers": headers, "url": url, "method": method}
        body = {name: value for name, value in visit.items() if value is not None}
        identity = hashlib.sha256(json.dumps([user_agent, ip, headers], sort_keys=True).encode()).digest()
        known = self._memory.get(identity)
        if known is None:
            known = cast(Detection, self._call("POST", "/detect", "isBot", json=body))
            self._memory.put(identity, known)
        return cast(Detection, json.loads(json.dumps(known)))

    def event(
        self,
        event: str,
        url: str,
        *,
        timestamp: float | None = None,
        metadata: Mapping[str, Any] | None = None,
        wait: bool = False,
        **more: Any,
    ) -> dict[str, Any] | None:
        """Collect an event for the next batch; with `wait`, send it at once and return the service's answer.

        `timestamp` is in seconds since the Unix epoch, now when absent. `more` are further members as the API spells
        them, for example `sessionId`. Events that cannot be delivered are logged as lost.
        """
        item = _known({"event": event, "url": url, "timestamp": int(timestamp or time.time()), **more})
        if metadata is not None:
            item["metadata"] = dict(metadata)
        if wait:
            return self._call("POST", "/event", "success", json=item)
        self._collector.add(item)
        return None

    def batch(self, events: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Send 1 to 100 events in one request and return what was accepted and what was not."""
        return self._call("POST", "/batch", "success", json={"events": [_known(event) for event in events]})

    def flush(self) -> None:
        """Send the collected events now. Raises what `batch` raises; the events stay collected then."""
        self._collector.flush()

    def close(self) -> None:
        """Send the collected events, with one try, and close the connections."""
        self._is_closing.set()
        self._collector.close()
        self._http.close()
        atexit.unregister(self.close)

    def __enter__(self) -> AgentShield:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _call(self, method: str, path: str, member: str, **options: Any) -> dict[str, Any]:
        if not self._credentials:
            raise InvalidInput("INVALID_INPUT", "no credential: give `api_key` or set `AGENTSHIELD_API_KEY`")
        headers = {"Accept": "application/json", **self._credentials}
        for attempt in range(self._retries + 1):
            pause = random.uniform(0, min(LONGEST_PAUSE, 0.5 * 2**attempt))
            try:
                reply = self._http.request(method, self._base + path, headers=headers, **options)
                return read_body(reply, member)
            except httpx.RequestError as problem:
                failure: QuiviveError = ConnectionFailed("connection failed")
                failure.__cause__ = problem
            except ApiError as answer:
                if answer.status != 429 and answer.status < 500:
                    raise
                failure, pause = answer, max(pause, _seconds(reply.headers.get("Retry-After")))
            if attempt == self._retries or pause > LONGEST_PAUSE or self._is_closing.wait(pause):
                break
        raise failure


class Projects:
    """The projects that the key may see; every call returns the service's answer as it is."""

    def __init__(self, shield: AgentShield) -> None:
        self._shield = shield

    def list(self, *, page: int = 1, limit: int = 20, search: str | None = None) -> dict[str, Any]:
        """Return a page of projects, the latest first."""
        return self._get("", "projects", page=page, limit=limit, search=search)

    def get(self, project_id: str) -> dict[str, Any]:
        """Return a project with its settings and figures."""
        return self._get(f"/{_segment(project_id)}", "id")

    def detections(self, project_id: str, **filters: Any) -> dict[str, Any]:
        """Return a page of detections; `filters` are query parameters, for example `startDate` and `botType`."""
        return self._get(f"/{_segment(project_id)}/detections", "detections", **filters)

    def analytics(self, project_id: str, **query: Any) -> dict[str, Any]:
        """Return sums and a time series; `query` holds `period`, `startDate`, `endDate` and `metrics`."""
        return self._get(f"/{_segment(project_id)}/analytics", "period", **query)

    def _get(self, path: str, member: str, **query: Any) -> dict[str, Any]:
        given = {name: _text(value) for name, value in query.items() if value is not None}
        return self._shield._call("GET", f"/projects{path}", member, params=given)


def _base(text: str) -> str:
    url = read_url(text, "base URL")
    if not is_safe(url) or url.userinfo or url.query or url.fragment:
        raise InvalidInput("INVALID_INPUT", "base URL must be https, or http on a loopback address, without query")
    return str(url).rstrip("/")


def _known(event: Mapping[str, Any]) -> dict[str, Any]:
    """The event with an id, by which the service knows it when it comes twice."""
    return {"id": uuid.uuid4().hex, **event}


def _segment(project_id: str) -> str:
    if not project_id.replace("_", "").isalnum() or not project_id.isascii():
        raise InvalidInput("INVALID_INPUT", "a project id consists of letters, digits and `_`")
    return project_id


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _seconds(retry_after: str | None) -> float:
    """The seconds that a service asks to wait; it asks in seconds, not by a date."""
    return float(retry_after) if retry_after and retry_after.isdigit() else 0.0

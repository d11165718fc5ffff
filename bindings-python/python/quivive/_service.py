"""The detection service of a guard: asked before a decision or told after it, and where its policy comes from."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypedDict, cast

import httpx

from ._flows import USER_AGENT, read_body
from ._origins import is_safe, read_url
from .errors import ApiError, ConnectionFailed, InvalidInput
from .types import GuardEnquiry, RemoteDetection

MOST_WAITING = 100
"""Requests that may wait for the service at once."""

_API = "/api/v1"
_MOST_CALLS = 32
_LARGEST = 1_048_576
_POLICY_SECONDS = 3.0
_PAUSE = 60.0
_REFUSALS = (401, 403, 404)


class FetchPolicy(TypedDict, total=False):
    """Which policy a guard fetches."""

    project_id: str
    """The project whose policy it is; by default the option `project_id`."""
    cache_ttl_seconds: float
    """After how many seconds it is fetched again, 300 unless said otherwise."""


class Service:
    """Calls a service that speaks AgentShield's API, in threads of its own."""

    def __init__(self, url: str, key: str, project: str | None, seconds: float) -> None:
        self.seconds = seconds
        self._base = url
        self._http = httpx.Client(
            headers={
                "User-Agent": USER_AGENT,
                "Accept": "application/json",
                "Accept-Encoding": "identity",
                "X-AgentShield-Key": key,
                **({"X-AgentShield-Project": project} if project else {}),
            }
        )
        self._threads = ThreadPoolExecutor(_MOST_CALLS, "quivive-service")
        self._room = threading.BoundedSemaphore(MOST_WAITING)

    def ask(self, enquiry: GuardEnquiry) -> Future[RemoteDetection]:
        """Ask what a request looks like; fails at once where too many wait already."""
        if not self._room.acquire(blocking=False):
            return _refused(ConnectionFailed("too many requests wait for the service"))
        try:
            asked = self._threads.submit(self.detect, enquiry)
        except RuntimeError as problem:
            self._room.release()
            return _refused(problem)
        asked.add_done_callback(lambda _: self._room.release())
        return asked

    def detect(self, enquiry: GuardEnquiry) -> RemoteDetection:
        """What a request looks like."""
        told = read_body(self._call("POST", "/detect", self.seconds, json=enquiry), "isBot")
        return cast(
            RemoteDetection,
            {"is_bot": told["isBot"], "confidence": told.get("confidence"), "bot_type": told.get("botType")},
        )

    def fetch_policy(self, project: str, tag: str | None) -> Future[tuple[dict[str, Any], str | None] | None]:
        """Fetch a project's policy and its tag; gives nothing where it is still the one of this tag."""
        return self._threads.submit(self._policy, project, tag)

    def _policy(self, project: str, tag: str | None) -> tuple[dict[str, Any], str | None] | None:
        headers = {"If-None-Match": tag} if tag else {}
        reply = self._call("GET", f"/projects/{project}/policy", _POLICY_SECONDS, headers=headers)
        if reply.status_code == 304 and tag:
            return None
        return read_body(reply, "defaultAction"), reply.headers.get("ETag")

    def _call(self, method: str, path: str, seconds: float, **more: Any) -> httpx.Response:
        """The whole answer, within so many seconds and 1 MiB."""
        end = time.monotonic() + seconds
        try:
            with self._http.stream(method, self._base + path, timeout=seconds, **more) as response:
                content = bytearray()
                for chunk in response.iter_raw():
                    content += chunk
                    if len(content) > _LARGEST or time.monotonic() > end:
                        raise ConnectionFailed("the service's answer is larger than 1 MiB or too slow")
        except httpx.RequestError as problem:
            raise ConnectionFailed("the service could not be reached") from problem
        return httpx.Response(response.status_code, headers=response.headers, content=bytes(content))


class PolicySource:
    """Keeps the policy of a guard that of its project, off the request.

    It is fetched at the start, and again when it is old; one that cannot be renewed goes on counting, and is asked for
    again after a minute or when it would have been old, whichever comes first; after a refusal, whichever comes last.
    """

    def __init__(
        self,
        service: Service,
        project: str,
        seconds: float,
        take: Callable[[dict[str, Any]], None],
        fail: Callable[[Exception], None],
    ) -> None:
        self._service, self._project, self._seconds = service, project, seconds
        self._take, self._fail = take, fail
        self._tag: str | None = None
        self._due = 0.0
        self._lock = threading.Lock()

    def renew(self) -> None:
        """Begin to fetch the policy where it is due."""
        if time.monotonic() < self._due:
            return
        with self._lock:
            if time.monotonic() < self._due:
                return
            self._due = float("inf")
        try:
            fetched = self._service.fetch_policy(self._project, self._tag)
        except RuntimeError as problem:
            self._due = time.monotonic() + min(self._seconds, _PAUSE)
            self._fail(problem)
            return
        fetched.add_done_callback(self._end)

    def _end(self, fetched: Future[tuple[dict[str, Any], str | None] | None]) -> None:
        pause = min(self._seconds, _PAUSE)
        try:
            news = fetched.result()
            if news is not None:
                policy, tag = news
                self._take(policy)
                self._tag = tag
            pause = self._seconds
        except Exception as error:
            if isinstance(error, ApiError) and error.status in _REFUSALS:
                pause = max(self._seconds, _PAUSE)
            self._fail(error)
        self._due = time.monotonic() + pause


def _refused(problem: Exception) -> Future[RemoteDetection]:
    refused: Future[RemoteDetection] = Future()
    refused.set_exception(problem)
    return refused


def service_of(options: Mapping[str, Any]) -> Service:
    """The service that the options name, else the environment; takes them out."""
    url = options.get("api_url") or os.environ.get("QUIVIVE_URL")
    if not url:
        raise _wrong("api_url", "no service: give `api_url` or set `QUIVIVE_URL`")
    key = options.get("api_key") or os.environ.get("AGENTSHIELD_API_KEY") or os.environ.get("CHECKPOINT_API_KEY")
    if not key:
        raise _wrong("api_key", "no credential: give `api_key` or set `AGENTSHIELD_API_KEY`")
    seconds = options.get("timeout", 0.25)
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 < seconds <= 60:
        raise _wrong("timeout", "timeout is a number of seconds, above 0 and up to 60")
    return Service(_base(url), key, _project(options), float(seconds))


def policy_plan(options: Mapping[str, Any], chosen: bool | FetchPolicy) -> tuple[str, float]:
    """Whose policy is fetched, and after how many seconds again."""
    wanted: FetchPolicy = {} if isinstance(chosen, bool) else chosen
    project = wanted.get("project_id") or _project(options)
    if not project or not project.isascii() or not project.replace("_", "").isalnum():
        raise _wrong("fetch_policy", "no project: give `project_id` or set `CHECKPOINT_PROJECT_ID`")
    seconds = wanted.get("cache_ttl_seconds", 300)
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 1 <= seconds <= 86_400:
        raise _wrong("fetch_policy", "cache_ttl_seconds is from 1 to 86,400")
    return project, float(seconds)


def _project(options: Mapping[str, Any]) -> str | None:
    return options.get("project_id") or os.environ.get("CHECKPOINT_PROJECT_ID") or None


def _base(text: str) -> str:
    url = read_url(text, "api_url")
    if not is_safe(url) or url.userinfo or url.query or url.fragment:
        raise _wrong("api_url", "api_url must be https, or http on a loopback address, without query")
    base = str(url).rstrip("/")
    return base if base.endswith(_API) else base + _API


def _wrong(field: str, message: str) -> InvalidInput:
    return InvalidInput("INVALID_INPUT", message, {"field": field})

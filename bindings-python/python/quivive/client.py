"""Clients that fetch guarded pages and call a Quivive service, for synchronous and asynchronous programs."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, TypedDict, TypeVar, cast

import anyio
import httpx

from . import _flows
from ._flows import Flow, Send, TokenWanted
from .errors import ConnectionFailed, QuiviveError

T = TypeVar("T")

_UNAVAILABLE: Verdict = {
    "verdict": "not_computed",
    "score": 0,
    "action": "allow",
    "detection_ids": [],
    "reason": "Score not available; allowing by default.",
    "unavailable": True,
}


class _RequiredVerdict(TypedDict):
    verdict: str
    score: int
    action: str
    detection_ids: list[int]
    reason: str


class Verdict(_RequiredVerdict, total=False):
    """What to do with a session's request; act on `action` only. `unavailable`: stands in after a fault."""

    unavailable: bool


class Client:
    """Fetches pages, and meets what their guards ask for.

    `url` is the service that issues tokens (by default the environment variable `QUIVIVE_URL`); without one,
    challenges inside refusals are still solved. A token is shown to the service's own origin and to those of
    `token_origins`; without that option, to those that asked for one. Safe to share between threads.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        app_id: str | None = None,
        audience: str | None = None,
        private_key: str | None = None,
        api_key: str | None = None,
        token_origins: Iterable[str] | None = None,
        user_agent: str = _flows.USER_AGENT,
        timeout: float = 30.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._http = httpx.Client(headers={"User-Agent": user_agent}, timeout=timeout, transport=transport)
        self._lock = threading.Lock()
        self._engine = _flows.engine(
            self._http,
            url,
            token_origins,
            app_id=app_id,
            audience=audience,
            private_key=private_key,
            api_key=api_key,
        )
        self.botcha = Botcha(self)
        self.botect = Botect(self)
        self.agentshield = AgentShield(self)

    def fetch(self, url: str | httpx.URL, *, method: str = "GET", **options: Any) -> httpx.Response:
        """Send a request; when a guard asks for it, solve its challenge or show a token, and send it once more.

        The answer is the last one that came, whatever its status. `options` are those of `httpx.Client.build_request`
        and `follow_redirects` (true by default). A request whose body is a stream or holds files is sent once only.
        """
        return self._run(self._engine.fetch(method, url, options))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, flow: Flow[T]) -> T:
        reply: Any = None
        try:
            while True:
                step = flow.send(reply)
                reply = self._send(step) if isinstance(step, Send) else self._token_or_none(step)
        except StopIteration as done:
            return cast(T, done.value)

    def _send(self, step: Send) -> httpx.Response:
        try:
            return self._http.send(step.request, follow_redirects=step.follow_redirects)
        except httpx.RequestError as problem:
            raise _connection_failed(problem) from problem

    def _token(self, refused: str | None = None) -> str:
        with self._lock:
            held = self._engine.tokens.fresh()
            return held if held is not None and held != refused else self._run(self._engine.renew_token())

    def _token_or_none(self, wanted: TokenWanted) -> str | None:
        try:
            return self._token(wanted.refused)
        except QuiviveError:
            return None


class Botcha:
    """The BOTCHA-compatible calls."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def token(self) -> str:
        """Return the token that is held, or solve a challenge for a new one when it is near its end."""
        return self._client._token()


class Botect:
    """The Botect-compatible calls of a site's back end; they need the option `private_key`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def verdict(
        self,
        session: str,
        *,
        path: str | None = None,
        ip: str | None = None,
        country: str | None = None,
        user_agent: str | None = None,
        logged_in: bool | None = None,
    ) -> Verdict:
        """Return a session's verdict; any fault of the service gives one that allows.

        One try, 200 ms to connect and 1 s to answer, so that a visitor never waits for a broken service.
        """
        context = _context(path, ip, country, user_agent, logged_in)
        try:
            return cast(Verdict, self._client._run(self._client._engine.look_up(session, context)))
        except _FAULTS:
            return _unavailable()


class AgentShield:
    """The AgentShield-compatible calls; they need the option `api_key`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def detect(
        self,
        *,
        user_agent: str | None = None,
        ip: str | None = None,
        headers: Mapping[str, str] | None = None,
        url: str | None = None,
        method: str | None = None,
    ) -> Detection:
        """Tell what the facts of one request look like; give at least `user_agent`, `headers` or `ip`."""
        facts = _facts(user_agent, ip, headers, url, method)
        return cast(Detection, self._client._run(self._client._engine.detect(facts)))

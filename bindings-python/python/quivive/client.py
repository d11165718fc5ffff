"""Clients that fetch guarded pages and call a Quivive service, for synchronous and asynchronous programs."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar, cast

import anyio
import httpx
from typing_extensions import Unpack

from . import _flows
from ._answers import LATE, Workers, exchange, exchange_async
from ._flows import AnswersWanted, Call, Flow, Issued, Send, Step
from ._records import VerdictContext, Detection, SessionVerdict, Visit
from .errors import ConnectionFailed, QuiviveError

if TYPE_CHECKING:
    from .types import NaturalQuestion

T = TypeVar("T")


class Client:
    """Fetches pages, and meets what their guards ask for; safe to share between threads.

    `url` is the service that issues tokens, by default the environment variable `QUIVIVE_URL`; without one,
    challenges inside refusals are still solved. A token is shown to the service's own origin and to those of
    `token_origins`; without that option, to those that asked for one. It never travels in clear text over a network.
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
        self._workers = Workers()
        self._engine = _flows.engine(
            self._http,
            url,
            token_origins,
            timeout,
            app_id=app_id,
            audience=audience,
            private_key=private_key,
            api_key=api_key,
        )
        self.botcha = Botcha(self)
        self.botect = Botect(self)
        self.agentshield = AgentShield(self)

    def fetch(self, url: str | httpx.URL, *, method: str = "GET", **options: Any) -> httpx.Response:
        """Send a request; when a guard asks for it, show a token or solve its challenge, and send it once more.

        The response is the last one that came, whatever its status. `options` are those of
        `httpx.Client.build_request`, and `follow_redirects` (true by default). A request whose body is a stream or
        holds files is sent once only.
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

    def _run(self, flow: Flow[T], answer: Callable[[NaturalQuestion], str] | None = None) -> T:
        try:
            step = next(flow)
            while True:
                try:
                    reply = self._do(step, answer)
                except QuiviveError as error:
                    step = flow.throw(error)
                else:
                    step = flow.send(reply)
        except StopIteration as done:
            return cast(T, done.value)

    def _do(
        self, step: Step, answer: Callable[[NaturalQuestion], str] | None
    ) -> httpx.Response | str | list[str]:
        try:
            if isinstance(step, Send):
                return self._http.send(step.request, follow_redirects=step.follow_redirects)
            if isinstance(step, Call):
                return self._workers.run(step.seconds, partial(exchange, self._http, step.request, step.seconds))
            if isinstance(step, AnswersWanted):
                return _answered_at_once(step.questions, cast(Any, answer))
            if isinstance(step, Issued):
                with self._lock:
                    return self._engine.tokens.keep(step.body)
            return self._token(step)
        except httpx.RequestError as problem:
            raise _connection_failed(problem) from problem

    def _token(self, wanted: _flows.TokenWanted) -> str:
        with self._lock:
            held = self._engine.tokens.fresh()
            if held is not None and held != wanted.refused:
                return held
            return self._run(self._engine.renew_token())


class AsyncClient:
    """As `Client`, for asyncio and trio; safe to share between tasks."""

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
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._http = httpx.AsyncClient(headers={"User-Agent": user_agent}, timeout=timeout, transport=transport)
        self._lock = anyio.Lock()
        self._engine = _flows.engine(
            self._http,
            url,
            token_origins,
            timeout,
            app_id=app_id,
            audience=audience,
            private_key=private_key,
            api_key=api_key,
        )
        self.botcha = AsyncBotcha(self)
        self.botect = AsyncBotect(self)
        self.agentshield = AsyncAgentShield(self)

    async def fetch(self, url: str | httpx.URL, *, method: str = "GET", **options: Any) -> httpx.Response:
        """Send a request as `Client.fetch` does."""
        return await self._run(self._engine.fetch(method, url, options))

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _run(
        self, flow: Flow[T], answer: Callable[[NaturalQuestion], Awaitable[str]] | None = None
    ) -> T:
        try:
            step = next(flow)
            while True:
                try:
                    reply = await self._do(step, answer)
                except QuiviveError as error:
                    step = flow.throw(error)
                else:
                    step = flow.send(reply)
        except StopIteration as done:
            return cast(T, done.value)

    async def _do(
        self, step: Step, answer: Callable[[NaturalQuestion], Awaitable[str]] | None
    ) -> httpx.Response | str | list[str]:
        try:
            if isinstance(step, Send):
                return await self._http.send(step.request, follow_redirects=step.follow_redirects)
            if isinstance(step, Call):
                return await exchange_async(self._http, step.request, step.seconds)
            if isinstance(step, AnswersWanted):
                return await _answered_together(step.questions, cast(Any, answer))
            if isinstance(step, Issued):
                async with self._lock:
                    return self._engine.tokens.keep(step.body)
            return await self._token(step)
        except httpx.RequestError as problem:
            raise _connection_failed(problem) from problem

    async def _token(self, wanted: _flows.TokenWanted) -> str:
        async with self._lock:
            held = self._engine.tokens.fresh()
            if held is not None and held != wanted.refused:
                return held
            return await self._run(self._engine.renew_token())


class Botcha:
    """The BOTCHA-compatible calls: tokens of this agent."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def token(self) -> str:
        """Return the held token; when there is none or it is near its end, get a new one."""
        return self._client._run(self._client._engine.token())

    def prove(self, answer: Callable[[NaturalQuestion], str]) -> str:
        """Get a new token by the hybrid challenge: the client solves the speed part, `answer` the questions.

        `answer` is called with each of three questions, at the same time and in threads of their own, as a dictionary
        with `id`, `question` and `category`; it returns the bare answer: a number in digits, a name or a word. The
        answers are due half a minute after the challenge was posed; late or wrong ones raise `ApiError` with the code
        `CHALLENGE_FAILED`. The token is kept as one of `token` is.
        """
        return self._client._run(self._client._engine.prove(), answer)


class AsyncBotcha:
    """As `Botcha`."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def token(self) -> str:
        """Return a token as `Botcha.token` does."""
        return await self._client._run(self._client._engine.token())

    async def prove(self, answer: Callable[[NaturalQuestion], Awaitable[str]]) -> str:
        """Get a new token as `Botcha.prove` does; `answer` is asynchronous and called for all questions together."""
        return await self._client._run(self._client._engine.prove(), answer)


class Botect:
    """The Botect-compatible calls of a site's back end; they need the option `private_key`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def verdict(self, session: str, **context: Unpack[VerdictContext]) -> SessionVerdict:
        """Return a session's verdict; a fault of the service gives one that allows and says `unavailable`.

        One try, 200 ms to connect and 1 s in all, so that no visitor waits for a broken service. A session token
        that cannot be one is not sent, and a verdict without evidence allows.
        """
        return self._client._run(self._client._engine.verdict(session, **context))


class AsyncBotect:
    """As `Botect`."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def verdict(self, session: str, **context: Unpack[VerdictContext]) -> SessionVerdict:
        """Return a verdict as `Botect.verdict` does."""
        return await self._client._run(self._client._engine.verdict(session, **context))


class AgentShield:
    """The AgentShield-compatible calls; they need the option `api_key`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def detect(self, **visit: Unpack[Visit]) -> Detection:
        """Tell what the facts of one request look like; one try, 250 ms in all."""
        return self._client._run(self._client._engine.detect(**visit))


class AsyncAgentShield:
    """As `AgentShield`."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def detect(self, **visit: Unpack[Visit]) -> Detection:
        """Tell what a request looks like as `AgentShield.detect` does."""
        return await self._client._run(self._client._engine.detect(**visit))


def _answered_at_once(questions: list[NaturalQuestion], answer: Callable[[NaturalQuestion], str]) -> list[str]:
    """Asks in threads of their own, because all answers are due at the same time."""
    with ThreadPoolExecutor(max_workers=max(len(questions), 1)) as threads:
        asked = [threads.submit(copy_context().run, answer, question) for question in questions]
        return [future.result() for future in asked]


async def _answered_together(
    questions: list[NaturalQuestion], answer: Callable[[NaturalQuestion], Awaitable[str]]
) -> list[str]:
    answers = [""] * len(questions)
    problems: list[Exception] = []

    async def ask(place: int) -> None:
        try:
            answers[place] = await answer(questions[place])
        except Exception as problem:
            # Kept, so that the caller gets it as it is and not in a group.
            problems.append(problem)
            group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        for place in range(len(questions)):
            group.start_soon(ask, place)
    if problems:
        raise problems[0]
    return answers


def _connection_failed(problem: httpx.RequestError) -> ConnectionFailed:
    # Without the address, because addresses may hold session tokens.
    what = LATE if isinstance(problem, httpx.TimeoutException) else "connection failed"
    return ConnectionFailed(what)

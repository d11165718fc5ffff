"""What both clients do, without doing it: generators that yield what they want and are sent what came of it.

`Client` and `AsyncClient` send requests and guard the token; everything that is decided is decided here.
"""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast
from urllib.parse import quote

import httpx

from . import _native
from ._answers import LARGEST_ANSWER
from ._origins import Origins, is_safe, origin_of, read_url
from ._records import Detection, SessionVerdict
from ._tokens import Tokens
from ._verdicts import is_session_token, read_verdict, unavailable
from .errors import ApiError, ConnectionFailed, InvalidInput, QuiviveError

if TYPE_CHECKING:
    from .types import NaturalQuestion

CHALLENGE_FAILED = "CHALLENGE_FAILED"
USER_AGENT = f"quivive-python/{version('quivive')}"

_LONGEST_CONTEXT = 2048
_VERDICT_CONNECT_SECONDS = 0.2
_VERDICT_SECONDS = 1.0
_DETECT_SECONDS = 0.25

T = TypeVar("T")


@dataclass(frozen=True)
class Send:
    """Wanted: the response to this request."""

    request: httpx.Request
    follow_redirects: bool = False


@dataclass(frozen=True)
class Call:
    """Wanted: the service's answer to this request, of bounded size and within this time in all."""

    request: httpx.Request
    seconds: float | None


@dataclass(frozen=True)
class TokenWanted:
    """Wanted: a token other than the refused one."""

    refused: str | None = None


@dataclass(frozen=True)
class AnswersWanted:
    """Wanted: the texts with which the user's function answers these questions, in their order."""

    questions: list[NaturalQuestion]


@dataclass(frozen=True)
class Issued:
    """Wanted: that this token is kept, while nobody else renews one."""

    body: dict[str, Any]


Step: TypeAlias = Send | Call | TokenWanted | AnswersWanted | Issued
Flow: TypeAlias = Generator[Step, Any, T]


@dataclass
class Engine:
    """One client's options and memory."""

    http: httpx.Client | httpx.AsyncClient
    service: httpx.URL | None
    origins: Origins
    app_id: str | None
    audience: str | None
    private_key: str | None
    api_key: str | None
    timeout: float | None
    tokens: Tokens = field(default_factory=Tokens)

    def fetch(self, method: str, url: str | httpx.URL, options: dict[str, Any]) -> Flow[httpx.Response]:
        """Sends a request and meets what the guard asks for: a token once, an answered challenge once."""
        target = self._absolute(url)
        headers = httpx.Headers(options.pop("headers", None))
        has_own_token = "authorization" in headers
        token = None
        if not has_own_token and self.tokens.access and self.origins.may_have_token(target):
            token = yield from _token_or_none(TokenWanted())
        response: httpx.Response = yield self._page(method, target, headers, token, options)
        if not _can_be_sent_again(options):
            return response
        if not has_own_token and self._asks_for_token(target, response):
            token = yield from _token_or_none(TokenWanted(refused=token))
            if token is None:
                return response
            response = yield self._page(method, target, headers, token, options)
        answer = _answer(response)
        if answer is None or origin_of(response.url) != origin_of(target):
            return response
        headers.update(answer)
        if self.app_id:
            headers["X-Botcha-App-Id"] = self.app_id
        response = yield self._page(method, target, headers, None, options)
        return response

    def token(self) -> Flow[str]:
        """The token that is held, or a new one."""
        return cast(str, (yield TokenWanted()))

    def renew_token(self) -> Flow[str]:
        """Trades the refresh token for a new token or, failing that, solves a challenge for one."""
        refresh = self.tokens.refreshable()
        if refresh:
            try:
                reply = yield self._call("POST", "/v1/token/refresh", json={"refresh_token": refresh})
                return self.tokens.keep(read_body(reply, "access_token"))
            except ApiError:
                self.tokens.refresh = None
        reply = yield self._call("GET", "/v1/token", params={"ts": _now(), **self._known()})
        answer = _native.solve_inline_challenge(body=read_body(reply, "challenge"))
        body = {"id": answer["id"], "answers": answer["answers"], **self._known()}
        reply = yield self._call("POST", "/v1/token/verify", json=body)
        return self.tokens.keep(read_body(reply, "access_token"))

    def prove(self) -> Flow[str]:
        """Gets a token by the hybrid challenge; the user's function answers its questions."""
        try:
            posed = yield from self._pose()
        except ApiError as error:
            if error.code != CHALLENGE_FAILED:
                raise
            # A machine that was busy at the wrong moment gets a second challenge.
            posed = yield from self._pose()
        questions = posed["reasoning"]["questions"]
        answers = yield AnswersWanted(questions)
        texts = {question["id"]: answer for question, answer in zip(questions, answers, strict=True)}
        judged = yield from self._submit(posed["id"], {"reasoning_answers": texts})
        if judged["success"] is not True:
            raise ApiError(200, CHALLENGE_FAILED, judged)
        if "access_token" not in judged:
            raise ApiError(200, "MALFORMED_ANSWER", None)
        return cast(str, (yield Issued(judged)))

    def _pose(self) -> Flow[dict[str, Any]]:
        """Asks for a hybrid challenge and passes its speed part."""
        params = {"type": "hybrid", "ts": _now(), **self._known()}
        reply = yield self._call("GET", "/v1/challenges", params=params)
        posed = _hybrid(read_body(reply, "challenge"))
        hashes = _native.solve_challenge(problems=posed["speed"]["problems"])["answers"]
        judged = yield from self._submit(posed["id"], {"speed_answers": hashes})
        speed = judged.get("speed")
        has_passed = isinstance(speed, dict) and speed.get("passed") is True
        if not has_passed or judged.get("pending") != "reasoning":
            raise ApiError(200, CHALLENGE_FAILED, judged)
        return posed

    def _submit(self, challenge: str, answers: dict[str, Any]) -> Flow[dict[str, Any]]:
        body = {"type": "hybrid", **answers, **self._known()}
        path = f"/v1/challenges/{quote(challenge, safe='')}/verify"
        return read_body((yield self._call("POST", path, json=body)), "success")

    def _known(self) -> dict[str, str]:
        """What every request for a challenge tells."""
        known = {"app_id": self.app_id, "audience": self.audience}
        return {name: value for name, value in known.items() if value is not None}

    def verdict(self, session: str, **context: Any) -> Flow[SessionVerdict]:
        """Reads a session's verdict; a fault of the service gives one that allows."""
        look_up = self._look_up(session, **context)
        try:
            return (yield from look_up)
        except (ApiError, ConnectionFailed):
            return unavailable()

    def detect(
        self,
        *,
        user_agent: str | None = None,
        ip: str | None = None,
        headers: Mapping[str, str] | None = None,
        url: str | None = None,
        method: str | None = None,
    ) -> Flow[Detection]:
        """Asks what the facts of one request look like."""
        if not self.api_key:
            raise _missing("detection needs the option `api_key`")
        facts = {"userAgent": user_agent, "ip": ip, "headers": headers, "url": url, "method": method}
        reply = yield self._call(
            "POST",
            "/api/v1/detect",
            json={name: value for name, value in facts.items() if value is not None},
            headers={"X-AgentShield-Key": self.api_key},
            seconds=_DETECT_SECONDS,
        )
        return cast(Detection, read_body(reply, "isBot"))

    def _look_up(
        self,
        session: str,
        *,
        path: str | None = None,
        ip: str | None = None,
        country: str | None = None,
        user_agent: str | None = None,
        logged_in: bool | None = None,
    ) -> Flow[SessionVerdict]:
        if not self.private_key:
            raise _missing("a verdict needs the option `private_key`")
        if not is_session_token(session):
            return unavailable()
        logged = None if logged_in is None else str(int(logged_in))
        context = {"path": path, "ip": ip, "country": country, "ua": user_agent, "logged_in": logged}
        reply = yield self._call(
            "GET",
            f"/v1/sessions/{session}/verdict",
            params={name: text for name, text in context.items() if text and len(text) <= _LONGEST_CONTEXT},
            headers={"Authorization": f"Bearer {self.private_key}"},
            seconds=_VERDICT_SECONDS,
            connect_seconds=_VERDICT_CONNECT_SECONDS,
        )
        return read_verdict(read_body(reply, "action")) or unavailable()

    def _page(
        self, method: str, url: httpx.URL, headers: httpx.Headers, token: str | None, options: dict[str, Any]
    ) -> Send:
        sent = httpx.Headers(headers)
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        rest = {name: value for name, value in options.items() if name != "follow_redirects"}
        request = self.http.build_request(method, url, headers=sent, **rest)
        return Send(request, follow_redirects=options.get("follow_redirects", True))

    def _call(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        seconds: float | None = None,
        connect_seconds: float | None = None,
        **options: Any,
    ) -> Call:
        if self.service is None:
            raise _missing("no service: give `url` or set `QUIVIVE_URL`")
        url = str(self.service).rstrip("/") + path
        sent = {"Accept": "application/json", "Accept-Encoding": "identity", **(headers or {})}
        in_all = self.timeout if seconds is None else seconds
        timeout = httpx.Timeout(in_all, connect=in_all if connect_seconds is None else connect_seconds)
        return Call(self.http.build_request(method, url, headers=sent, timeout=timeout, **options), in_all)

    def _absolute(self, url: str | httpx.URL) -> httpx.URL:
        target = read_url(url, "URL")
        return self.service.join(target) if self.service and target.is_relative_url else target

    def _asks_for_token(self, target: httpx.URL, response: httpx.Response) -> bool:
        # An answer after a redirect comes from elsewhere; a second try would lose the token on the way there.
        is_own_answer = origin_of(response.url) == origin_of(target)
        if response.status_code != 401 or not is_own_answer or self.service is None:
            return False
        asked = response.headers.get_list("WWW-Authenticate", split_commas=True)
        if any(part.strip().split(" ")[0].lower() == "bearer" for part in asked):
            self.origins.note_that_asked(target)
        return self.origins.may_have_token(target)


def engine(
    http: httpx.Client | httpx.AsyncClient,
    url: str | None,
    token_origins: Iterable[str] | None,
    timeout: float | None,
    **options: str | None,
) -> Engine:
    """Checks the options that both clients have."""
    text = url if url is not None else os.environ.get("QUIVIVE_URL", "").strip()
    service = _service(text) if text else None
    return Engine(http, service, Origins(service, token_origins), timeout=timeout, **cast(Any, options))


def _service(text: str) -> httpx.URL:
    url = read_url(text, "service URL")
    if not is_safe(url):
        raise InvalidInput("INVALID_INPUT", "service URL must be https, or http on a loopback address")
    if url.userinfo or url.query or url.fragment:
        raise InvalidInput("INVALID_INPUT", "service URL must not hold credentials, a query or a fragment")
    return url


def _token_or_none(wanted: TokenWanted) -> Flow[str | None]:
    try:
        return cast(str, (yield wanted))
    except QuiviveError:
        return None


def _now() -> str:
    """Milliseconds since the epoch."""
    return str(int(time.time() * 1000))


def _hybrid(body: dict[str, Any]) -> dict[str, Any]:
    """The hybrid challenge in an answer; raises `ApiError` when it has not what a client needs."""
    match body["challenge"]:
        case {
            "id": str(),
            "speed": {"problems": list()},
            "reasoning": {"questions": [*questions]},
        } as posed if all(_is_question(question) for question in questions):
            return cast(dict[str, Any], posed)
    raise ApiError(200, "MALFORMED_ANSWER", body)


def _is_question(question: Any) -> bool:
    members = ("id", "question", "category")
    return isinstance(question, dict) and all(isinstance(question.get(member), str) for member in members)


def read_body(reply: httpx.Response, member: str) -> dict[str, Any]:
    """The JSON object of a success that has the member; raises `ApiError` for anything else."""
    try:
        body = reply.json()
    except (ValueError, RecursionError):
        body = None
    if not reply.is_success:
        raise ApiError(reply.status_code, _code(body) or f"HTTP_{reply.status_code}", body)
    if not isinstance(body, dict) or member not in body:
        raise ApiError(reply.status_code, "MALFORMED_ANSWER", body)
    return body


def _code(body: Any) -> str | None:
    """The three API families put the code in three places."""
    if not isinstance(body, dict):
        return None
    error = body.get("error")
    places = [body.get("code"), error.get("code") if isinstance(error, dict) else error]
    return next((text for text in places if isinstance(text, str) and _is_code(text)), None)


def _is_code(text: str) -> bool:
    return text.isascii() and text.replace("_", "").isalnum() and text == text.upper()


def _answer(response: httpx.Response) -> dict[str, str] | None:
    """The headers that answer the challenge which a refusal holds."""
    media = response.headers.get("Content-Type", "").split(";")[0].strip().lower()
    is_json = media == "application/json" or media.endswith("+json")
    if response.status_code != 403 or not is_json or len(response.content) > LARGEST_ANSWER:
        return None
    try:
        return _native.solve_inline_challenge(body=response.json())["headers"]
    except (QuiviveError, ValueError, RecursionError):
        return None


def _can_be_sent_again(options: Mapping[str, Any]) -> bool:
    return not options.get("files") and isinstance(options.get("content"), (bytes, str, type(None)))


def _missing(what: str) -> InvalidInput:
    return InvalidInput("INVALID_INPUT", what)

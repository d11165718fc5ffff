"""Detection of AI agents and bots in front of any ASGI application: Starlette, Litestar, Quart and others.

    app = DetectAgents(app, on_agent_detected="block", skip_paths=["/health"])

What was found out about a request that passes is in `scope["quivive"]`, in Starlette's terms `request.state.quivive`.
The client's address is the connection's, as the server gives it, unless `client_ip` names the proxies in front; the
server itself must then not replace it (uvicorn: `--no-proxy-headers`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from typing import Any, TypeAlias
from urllib.parse import quote, unquote

from typing_extensions import Unpack

from ._guard import AdapterOptions, Course, Guard, Pair, present
from .types import GuardRequest, GuardResponse

__all__ = ["DetectAgents"]

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
ASGIApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

_PLAIN = {"ws": "http", "wss": "https"}
_STARTS = {"http.response.start", "websocket.accept", "websocket.http.response.start"}
_POLICY_VIOLATION = 1008


class DetectAgents:
    """Detects who asks, acts on it as the options say, and tells the application.

    The application gets the headers `X-AgentShield-*`, which no client can send itself.
    """

    def __init__(self, app: ASGIApp, **options: Unpack[AdapterOptions]) -> None:
        self._app = app
        self._guard = Guard(**options)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a connection."""
        if scope["type"] not in ("http", "websocket"):
            return await self._app(scope, receive, send)
        course = await self._guard.check_async(request_of(scope))
        if course.response is None:
            await self._app(passed(scope, course), receive, _with_headers(send, course.set_headers))
        elif scope["type"] == "http":
            await _answer("http", course.response, course.set_headers, send)
        else:
            await receive()
            if "websocket.http.response" in (scope.get("extensions") or {}):
                await _answer("websocket.http", course.response, course.set_headers, send)
            else:
                await send({"type": "websocket.close", "code": _POLICY_VIOLATION})


def request_of(scope: Scope) -> GuardRequest:
    """What the guard is told about a connection."""
    path = scope.get("raw_path") or quote(scope["path"]).encode()
    query = scope.get("query_string") or b""
    client = scope.get("client")
    scheme: str = scope.get("scheme", "http")
    return {
        "method": scope.get("method", "GET"),
        "target": (path + b"?" + query if query else path).decode("latin-1"),
        "scheme": _PLAIN.get(scheme, scheme),
        "headers": [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]],
        "peer": client[0] if client else None,
        "now": present(),
    }


def passed(scope: Scope, course: Course) -> Scope:
    """The connection as the application gets it."""
    kept = [line for line in scope["headers"] if line[0].decode("latin-1").lower() not in course.remove]
    headers = [*kept, *_encoded((name.lower(), value) for name, value in course.set)]
    state = {**(scope.get("state") or {}), "quivive": course.outcome}
    changed = {**scope, "headers": headers, "quivive": course.outcome, "state": state}
    if course.rewrite is not None:
        path, _, query = course.rewrite.partition("?")
        changed.update(path=unquote(path), raw_path=path.encode(), query_string=query.encode())
    return changed


async def _answer(kind: str, response: GuardResponse, more: Sequence[Pair], send: Send) -> None:
    body = response["body"].encode()
    length = ("content-length", str(len(body)))
    lines = [*((line[0], line[1]) for line in response["headers"]), *more, length]
    headers = _encoded((name.lower(), value) for name, value in lines)
    await send({"type": f"{kind}.response.start", "status": response["status"], "headers": headers})
    await send({"type": f"{kind}.response.body", "body": body})


def _with_headers(send: Send, headers: Sequence[Pair]) -> Send:
    if not headers:
        return send
    lines = _encoded((name.lower(), value) for name, value in headers)

    async def sending(message: Message) -> None:
        if message["type"] in _STARTS:
            message = {**message, "headers": [*(message.get("headers") or []), *lines]}
        await send(message)

    return sending


def _encoded(pairs: Iterable[Pair]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs]

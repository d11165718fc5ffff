"""Detection of AI agents and bots in front of any WSGI application.

    app = DetectAgents(app, on_agent_detected="block", skip_paths=["/health"])

What was found out about a request that passes is in `environ["quivive"]`. WSGI shows header lines neither in their
order nor repeated, so that these are not looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote_to_bytes

from typing_extensions import Unpack

from ._guard import AdapterOptions, Course, Guard, Pair, present
from .types import GuardRequest

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["DetectAgents"]

_SAFE = "/:@!$&'()*+,;=~"
_BARE = ("CONTENT_TYPE", "CONTENT_LENGTH")


class DetectAgents:
    """Detects who asks, acts on it as the options say, and tells the application.

    The application gets the headers `X-AgentShield-*`, which no client can send itself.
    """

    def __init__(self, app: WSGIApplication, **options: Unpack[AdapterOptions]) -> None:
        self._app = app
        self._guard = Guard(**options)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve a request."""
        course = self._guard.check(request_of(environ))
        if course.response is None:
            changed = dict(environ)
            change(changed, course)
            return self._app(changed, _with_headers(start_response, course.set_headers))
        status, body = HTTPStatus(course.response["status"]), course.response["body"].encode()
        lines = [(line[0], line[1]) for line in course.response["headers"]]
        start_response(
            f"{status.value} {status.phrase}", [*lines, *course.set_headers, ("Content-Length", str(len(body)))]
        )
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


def request_of(environ: WSGIEnvironment) -> GuardRequest:
    """What the guard is told about a request."""
    headers = [(name[5:].replace("_", "-"), value) for name, value in environ.items() if name.startswith("HTTP_")]
    headers += [(name.replace("_", "-"), environ[name]) for name in _BARE if environ.get(name)]
    return {
        "method": environ["REQUEST_METHOD"],
        "target": _target(environ),
        "scheme": environ.get("wsgi.url_scheme"),
        "headers": headers,
        # Werkzeug's ProxyFix keeps the connection's own address there.
        "peer": environ.get("werkzeug.proxy_fix.orig", environ).get("REMOTE_ADDR"),
        "now": present(),
    }


def change(environ: dict[str, Any], course: Course) -> None:
    """Make a request's variables those that the application gets."""
    for name in course.remove:
        environ.pop(_variable(name), None)
    for name, value in course.set:
        environ[_variable(name)] = value
    environ["quivive"] = course.outcome
    if course.rewrite is not None:
        path, _, query = course.rewrite.partition("?")
        prefix = quote(environ.get("SCRIPT_NAME", "").encode("latin-1"), safe=_SAFE)
        is_inside = bool(prefix) and path.startswith(f"{prefix}/")
        environ["SCRIPT_NAME"] = environ.get("SCRIPT_NAME", "") if is_inside else ""
        environ["PATH_INFO"] = unquote_to_bytes(path[len(prefix) :] if is_inside else path).decode("latin-1")
        environ["QUERY_STRING"] = query
        for name in ("REQUEST_URI", "RAW_URI"):
            if name in environ:
                environ[name] = course.rewrite


def _target(environ: WSGIEnvironment) -> str:
    """Path and query as the client sent them, where the server shows that."""
    for name in ("REQUEST_URI", "RAW_URI"):
        target = environ.get(name)
        if isinstance(target, str) and target.startswith("/"):
            return target
    path = (environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")).encode("latin-1")
    query = environ.get("QUERY_STRING")
    return quote(path, safe=_SAFE) + (f"?{query}" if query else "")


def _variable(name: str) -> str:
    return f"HTTP_{name.upper().replace('-', '_')}"


def _with_headers(start_response: StartResponse, more: Sequence[Pair]) -> StartResponse:
    if not more:
        return start_response

    def starting(status: str, headers: list[Pair], exc_info: Any = None, /) -> Any:
        return start_response(status, [*headers, *more], exc_info)

    return starting

"""Detection of AI agents and bots in a Django project, served by WSGI or ASGI.

    MIDDLEWARE = ["quivive.django.DetectAgents", ...]
    QUIVIVE = {"on_agent_detected": "block", "skip_paths": ["/health"]}

What was found out about a request that passes is in `request.quivive`. Put it first, so that nothing is done for
requests that do not pass.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import unquote

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings  # type: ignore[import-untyped]
from django.http import HttpRequest, HttpResponse  # type: ignore[import-untyped]

from . import asgi, wsgi
from ._guard import Course, Guard, Pair
from .types import GuardRequest

__all__ = ["DetectAgents"]

_CACHED = ("GET", "headers", "accepted_types", "accepted_types_by_precedence")


class DetectAgents:
    """Detects who asks, acts on it as the setting `QUIVIVE` says, and tells the views.

    They find the headers `X-AgentShield-*` in `request.headers`, which no client can send itself.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[Any], Any]) -> None:
        self._get_response = get_response
        self._guard = Guard(**getattr(settings, "QUIVIVE", {}))
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponse | Awaitable[HttpResponse]:
        """Serve a request."""
        if self._is_async:
            return self._serve(request)
        course = self._guard.check(_request_of(request))
        response = _refusal(course) or self._get_response(_changed(request, course))
        return _with_headers(response, course.set_headers)

    async def _serve(self, request: HttpRequest) -> HttpResponse:
        course = await self._guard.check_async(_request_of(request))
        response = _refusal(course) or await self._get_response(_changed(request, course))
        return _with_headers(response, course.set_headers)


def _request_of(request: HttpRequest) -> GuardRequest:
    scope = getattr(request, "scope", None)
    return wsgi.request_of(request.META) if scope is None else asgi.request_of(scope)


def _changed(request: HttpRequest, course: Course) -> HttpRequest:
    """The request as the views get it."""
    request.quivive = course.outcome
    wsgi.change(request.META, course)
    if course.rewrite is not None:
        path, _, query = course.rewrite.partition("?")
        prefix = request.META.get("SCRIPT_NAME") or ""
        request.path = unquote(path)
        request.path_info = request.path.removeprefix(prefix)
        request.META["QUERY_STRING"] = query
        if hasattr(request, "scope"):
            request.scope = asgi.passed(request.scope, course)
    for name in _CACHED:
        vars(request).pop(name, None)
    return request


def _refusal(course: Course) -> HttpResponse | None:
    if course.response is None:
        return None
    response = HttpResponse(course.response["body"], status=course.response["status"])
    for line in course.response["headers"]:
        response.headers[line[0]] = line[1]
    response.headers["Content-Length"] = str(len(response.content))
    return response


def _with_headers(response: HttpResponse, more: Sequence[Pair]) -> HttpResponse:
    """The response with further headers; Django keeps cookies apart, by their names."""
    for name, value in more:
        if name.lower() == "set-cookie":
            response.cookies.update(SimpleCookie(value))
        elif name in response.headers:
            response.headers[name] += f", {value}"
        else:
            response.headers[name] = value
    return response

"""Detection of AI agents and bots in a Flask application.

    DetectAgents(app, on_agent_detected="block")

What was found out about a request that passes is in `flask.g.quivive`.
"""

from __future__ import annotations

from flask import Flask, g, request
from typing_extensions import Unpack

from . import wsgi
from ._guard import AdapterOptions

__all__ = ["DetectAgents"]


class DetectAgents:
    """Puts the guard in front of an application: at once, or by `init_app`."""

    def __init__(self, app: Flask | None = None, **options: Unpack[AdapterOptions]) -> None:
        self._options = options
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Put a guard of its own in front of an application."""
        app.wsgi_app = wsgi.DetectAgents(app.wsgi_app, **self._options)  # type: ignore[method-assign]
        # First of all, for functions that are called before a request and want to know.
        app.before_request_funcs.setdefault(None, []).insert(0, _attach)


def _attach() -> None:
    g.quivive = request.environ.get("quivive")

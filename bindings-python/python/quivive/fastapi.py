"""Detection of AI agents and bots in a FastAPI application.

    app.add_middleware(DetectAgents, on_agent_detected="block")

    @app.get("/prices")
    def prices(detected: Annotated[GuardOutcome | None, Depends(detected)]): ...
"""

from __future__ import annotations

from typing import cast

from fastapi.requests import HTTPConnection

from .asgi import DetectAgents
from .types import GuardOutcome

__all__ = ["DetectAgents", "detected"]


def detected(connection: HTTPConnection) -> GuardOutcome | None:
    """What was found out about a request; None where no guard stands in front or where it failed."""
    return cast("GuardOutcome | None", connection.scope.get("quivive"))

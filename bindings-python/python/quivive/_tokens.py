"""The agent token that a client holds: kept until near its end."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .errors import ApiError

_NEAR_END = 60.0
_DEFAULT_LIFE = 3600.0
_LONGEST_LIFE = 86_400.0


@dataclass
class Tokens:
    """An access token, and the refresh token that came with it."""

    access: str | None = None
    refresh: str | None = None
    _access_ends: float = 0.0
    _refresh_ends: float = 0.0

    def fresh(self) -> str | None:
        """The access token when it has more than a minute of life left."""
        return self.access if self._access_ends - time.time() > _NEAR_END else None

    def refreshable(self) -> str | None:
        """The refresh token while it lives."""
        return self.refresh if self._refresh_ends > time.time() else None

    def keep(self, issued: Mapping[str, Any]) -> str:
        """Keeps what the service issued and returns the access token."""
        access, refresh = issued["access_token"], issued.get("refresh_token")
        if not isinstance(access, str):
            raise ApiError(200, "MALFORMED_ANSWER", None)
        self.access, self._access_ends = access, _end(issued.get("expires_in"))
        if isinstance(refresh, str):
            self.refresh, self._refresh_ends = refresh, _end(issued.get("refresh_expires_in"))
        return access

    def __repr__(self) -> str:
        # Tokens are secrets and stay out of logs.
        return f"Tokens(held={self.access is not None})"


def _end(seconds: object) -> float:
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        return time.time() + _DEFAULT_LIFE
    return time.time() + min(max(seconds, 0.0), _LONGEST_LIFE)

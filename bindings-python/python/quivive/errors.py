"""Every exception that this package raises."""

from __future__ import annotations

from typing import Any

__all__ = [
    "ApiError",
    "ConnectionFailed",
    "Denied",
    "Expired",
    "InvalidInput",
    "QuiviveError",
    "Unsupported",
    "VerificationFailed",
]


class QuiviveError(Exception):
    """Base of all exceptions: a stable code, a sentence for a person, and machine-readable details."""

    code: str
    message: str
    details: dict[str, Any]

    def __init__(self, code: str, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(code, message, details or {})
        self.code = code
        self.message = message
        self.details = details or {}

    def __str__(self) -> str:
        return self.message


class InvalidInput(QuiviveError, ValueError):
    """Input cannot be read or breaks a rule."""


class VerificationFailed(QuiviveError):
    """A signature, proof or answer does not hold."""


class Expired(QuiviveError):
    """Was right once: too old or not yet valid."""


class Denied(QuiviveError):
    """Valid, but not allowed."""


class Unsupported(QuiviveError, NotImplementedError):
    """An algorithm or version that is not done here."""


class ApiError(QuiviveError):
    """The service answered with an error; `body` is its JSON, or its text when it is not JSON."""

    status: int
    body: Any

    def __init__(self, status: int, code: str, body: Any) -> None:
        super().__init__(code, _sentence(status, code, body), {"status": status})
        self.args = (status, code, body)
        self.status = status
        self.body = body


class ConnectionFailed(QuiviveError):
    """The service could not be reached, or broke off; the cause is the exception of the HTTP library."""

    def __init__(self, message: str) -> None:
        super().__init__("CONNECTION_FAILED", message)
        self.args = (message,)


def _sentence(status: int, code: str, body: Any) -> str:
    error = body.get("error") if isinstance(body, dict) else None
    places = [place.get("message") for place in (body, error) if isinstance(place, dict)]
    text = next((text for text in places if isinstance(text, str)), None)
    return f"service answered {status}: {text or code}"

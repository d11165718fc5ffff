"""What the client's calls take and return."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

from typing_extensions import NotRequired

__all__ = ["VerdictContext", "Detection", "SessionVerdict", "Visit"]


class VerdictContext(TypedDict, total=False):
    """What the owner's rules may look at beside the session; an absent member is not told."""

    path: str
    ip: str
    country: str
    user_agent: str
    logged_in: bool


class SessionVerdict(TypedDict):
    """What to do with a session's request; act on `action` only."""

    verdict: str
    score: int
    action: str
    detection_ids: list[int]
    reason: str
    unavailable: NotRequired[bool]
    """True when this is no answer of the service, but what stands in for one after a fault."""


class Visit(TypedDict, total=False):
    """The facts of one request; give at least one of `user_agent`, `headers` and `ip`."""

    user_agent: str
    ip: str
    headers: Mapping[str, str]
    url: str
    method: str


class Detection(TypedDict):
    """What a request was classified as; names as on the wire."""

    isBot: bool
    confidence: float
    botType: str
    details: DetectionDetails
    metadata: DetectionMetadata


class DetectionDetails(TypedDict):
    """Which kinds of evidence spoke for automation."""

    userAgentBot: bool
    behavioralBot: bool
    ipBot: bool


class DetectionMetadata(TypedDict):
    """About the answer itself."""

    engine: str
    processingTime: int

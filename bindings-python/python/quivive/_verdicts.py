"""What counts as a session token and as a verdict about one."""

from __future__ import annotations

import re
from typing import Any

from typing_extensions import TypeGuard

from ._records import SessionVerdict

_SESSION_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,128}")
_ACTIONS = {"allow", "challenge", "block", "log", "delay"}
_BANDS = {"not_computed", "definite", "confident_automated", "likely_automated", "likely_human", "verified"}
_HIGHEST_SCORE = 99
_DETECTION_IDS = range(-(2**31), 2**31)


def is_session_token(session: Any) -> bool:
    """Whether this can be a session token: 1 to 128 of `A-Z a-z 0-9 _ -`."""
    return isinstance(session, str) and _SESSION_TOKEN.fullmatch(session) is not None


def unavailable() -> SessionVerdict:
    """What stands in for a verdict after a fault: not computed, allow."""
    return {
        "verdict": "not_computed",
        "score": 0,
        "action": "allow",
        "detection_ids": [],
        "reason": "Score not available; allowing by default.",
        "unavailable": True,
    }


def read_verdict(body: dict[str, Any]) -> SessionVerdict | None:
    """Reads the service's answer, None when it cannot be a verdict; further members are left out."""
    band, score, action = body.get("verdict"), body.get("score"), body.get("action")
    ids, reason = body.get("detection_ids"), body.get("reason")
    if not (isinstance(band, str) and band in _BANDS and isinstance(action, str) and action in _ACTIONS):
        return None
    if not (_is_integer(score) and 0 <= score <= _HIGHEST_SCORE and isinstance(reason, str)):
        return None
    if not (isinstance(ids, list) and all(_is_integer(each) and each in _DETECTION_IDS for each in ids)):
        return None
    # Without a score there is no evidence, and without evidence nobody is refused.
    has_evidence = band == "verified" or (band != "not_computed" and score > 0)
    return {
        "verdict": band,
        "score": score,
        "action": action if has_evidence else "allow",
        "detection_ids": ids,
        "reason": reason,
    }


def _is_integer(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)

"""Which origins may be shown the token."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address

import httpx

from .errors import InvalidInput

_DEFAULT_PORTS = {"http": 80, "https": 443}
_MOST_ORIGINS = 10_000

Origin = tuple[str, str, int | None]


def origin_of(url: httpx.URL) -> Origin:
    """Scheme, host and port."""
    return url.scheme, url.host, url.port or _DEFAULT_PORTS.get(url.scheme)


def is_safe(url: httpx.URL) -> bool:
    """Whether a secret may travel to this address: https, or http on a loopback address."""
    if url.scheme == "https":
        return bool(url.host)
    return url.scheme == "http" and _is_loopback(url.host)


class Origins:
    """The service's own origin, those of a given list or, without a list, those that asked for a token."""

    def __init__(self, service: httpx.URL | None, listed: Iterable[str] | None) -> None:
        self._always = {origin_of(service)} if service else set()
        self._asked: set[Origin] | None = set() if listed is None else None
        for text in listed or ():
            url = read_url(text, "token origin")
            if not is_safe(url):
                raise InvalidInput(
                    "INVALID_INPUT", f"token origin `{text}` must be https, or http on a loopback address"
                )
            self._always.add(origin_of(url))

    def may_have_token(self, url: httpx.URL) -> bool:
        """Whether the token may be shown there."""
        origin = origin_of(url)
        return is_safe(url) and (origin in self._always or origin in (self._asked or ()))

    def note_that_asked(self, url: httpx.URL) -> None:
        """Remembers an origin that asked; without effect when a list was given."""
        if self._asked is not None and is_safe(url):
            if len(self._asked) >= _MOST_ORIGINS:
                self._asked.clear()
            self._asked.add(origin_of(url))


def read_url(text: str | httpx.URL, what: str) -> httpx.URL:
    """Reads an absolute URL."""
    try:
        return httpx.URL(text)
    except (httpx.InvalidURL, TypeError) as problem:
        raise InvalidInput("INVALID_INPUT", f"{what} cannot be read") from problem


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False

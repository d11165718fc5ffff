"""A bounded memory of answers."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import Generic, TypeVar

T = TypeVar("T")


class Memory(Generic[T]):
    """Remembers answers for a number of seconds; when full, forgets the oldest."""

    def __init__(self, seconds: float, entries: int) -> None:
        self._seconds = seconds
        self._entries = entries
        self._known: OrderedDict[bytes, tuple[float, T]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: bytes) -> T | None:
        """The answer, unless it is too old."""
        with self._lock:
            found = self._known.get(key)
        return found[1] if found is not None and time.monotonic() < found[0] else None

    def put(self, key: bytes, answer: T) -> None:
        """Remembers an answer."""
        if self._seconds <= 0 or self._entries < 1:
            return
        with self._lock:
            self._known.pop(key, None)
            self._known[key] = (time.monotonic() + self._seconds, answer)
            while len(self._known) > self._entries:
                self._known.popitem(last=False)

"""Collects events and sends them in batches."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..errors import QuiviveError

log = logging.getLogger("quivive")


class Collector:
    """Sends what was collected when there is enough of it and after a while, in a thread of its own."""

    def __init__(self, send: Callable[[Sequence[Mapping[str, Any]]], object], size: int, seconds: float) -> None:
        self._send = send
        self._size = size
        self._seconds = seconds
        self._events: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._full = threading.Event()
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def add(self, event: dict[str, Any]) -> None:
        """Collects an event."""
        with self._lock:
            self._events.append(event)
            if len(self._events) > MOST_EVENTS:
                del self._events[0]
                log.warning("an event is lost: %d wait for a service that does not take them", MOST_EVENTS)
            if len(self._events) >= self._size:
                self._full.set()
            if self._thread is None and not self._is_closed:
                self._thread = threading.Thread(target=self._run, name="quivive-events", daemon=True)
                self._thread.start()

    def flush(self) -> None:
        """Sends all that was collected; after a failure the events that were not taken stay."""
        with self._sending:
            while batch := self._take():
                try:
                    self._send(batch)
                except QuiviveError as problem:
                    if _is_final(problem):
                        log.warning("%d events are lost: %s", len(batch), problem)
                        continue
                    with self._lock:
                        self._events[:0] = batch
                    raise

    def close(self) -> None:
        """Sends what is left and ends the thread; what cannot be sent is lost."""
        self._is_closed = True
        self._full.set()
        if self._thread is not None:
            self._thread.join()
        try:
            self.flush()
        except QuiviveError as problem:
            log.warning("%d events are lost: %s", len(self._events), problem)

    def _take(self) -> list[dict[str, Any]]:
        with self._lock:
            batch, self._events = self._events[:MOST_AT_ONCE], self._events[MOST_AT_ONCE:]
        return batch

    def _run(self) -> None:
        while not self._is_closed:
            self._full.wait(self._seconds)
            self._full.clear()
            if self._is_closed:
                return
            try:
                self.flush()
            except QuiviveError as problem:
                log.warning("events could not be sent, they wait: %s", problem)


def _is_final(problem: QuiviveError) -> bool:
    """Whether the service will never take the batch."""
    status = getattr(problem, "status", 0)
    return 400 <= status < 500 and status != 429


MOST_AT_ONCE = 100
MOST_EVENTS = 10_000

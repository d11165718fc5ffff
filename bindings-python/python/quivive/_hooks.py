"""Functions of the site that are told about detections, off the request."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from typing import Any

_LOG = logging.getLogger("quivive")
_MOST_WAITING = 1_000


class Hook:
    """Calls a function in a thread of its own, in order; what finds no room is dropped."""

    def __init__(self, function: Callable[[Any], object]) -> None:
        self._function = function
        self._waiting: queue.Queue[Any] = queue.Queue(_MOST_WAITING)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def tell(self, argument: object) -> None:
        """Call the function with this, soon."""
        try:
            self._waiting.put_nowait(argument)
        except queue.Full:
            return
        if self._thread is None:
            with self._lock:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._call, name="quivive-hook", daemon=True)
                    self._thread.start()

    def _call(self) -> None:
        while True:
            argument = self._waiting.get()
            try:
                self._function(argument)
            except Exception:
                _LOG.exception("a hook of the detection guard failed")

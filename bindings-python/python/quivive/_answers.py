"""The service's answers, read up to a size and for a time."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any, TypeVar

import anyio
import httpx

from .errors import ConnectionFailed

LARGEST_ANSWER = 262_144
LATE = "no answer in time"

_MOST_LATE = 32

T = TypeVar("T")


def exchange(http: httpx.Client, request: httpx.Request, seconds: float | None) -> httpx.Response:
    """Sends the request and reads the answer; stops at the first piece of the body that comes after the time.

    Before the body nothing stops it: `Workers` bound the time that the caller waits.
    """
    ends = None if seconds is None else time.monotonic() + seconds
    response = http.send(request, stream=True, follow_redirects=False)
    try:
        answer = _Answer(response)
        for chunk in response.iter_bytes():
            answer.add(chunk)
            if ends is not None and time.monotonic() > ends:
                raise ConnectionFailed(LATE)
        return answer.whole()
    finally:
        response.close()


async def exchange_async(http: httpx.AsyncClient, request: httpx.Request, seconds: float | None) -> httpx.Response:
    """Sends the request and reads the answer, all of it within the time."""
    try:
        with anyio.fail_after(seconds):
            response = await http.send(request, stream=True, follow_redirects=False)
            try:
                answer = _Answer(response)
                async for chunk in response.aiter_bytes():
                    answer.add(chunk)
                return answer.whole()
            finally:
                await response.aclose()
    except TimeoutError as problem:
        raise ConnectionFailed(LATE) from problem


class Workers:
    """Runs calls in threads of their own, so that nobody waits for one beyond its time.

    Timeouts of sockets hold for one operation each; a name server, a handshake or a header that comes byte by byte
    may use any number of those.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._late: list[Future[Any]] = []

    def run(self, seconds: float | None, call: Callable[[], T]) -> T:
        """Returns what the call returns; raises `ConnectionFailed` when it takes longer, and leaves it to its end.

        While too many calls are left so, others fail at once.
        """
        with self._lock:
            self._late = [future for future in self._late if not future.done()]
            if len(self._late) >= _MOST_LATE:
                raise ConnectionFailed("too many calls without an answer")
        future: Future[T] = Future()
        context = contextvars.copy_context()
        try:
            threading.Thread(target=context.run, args=(_settle, future, call), daemon=True).start()
        except RuntimeError as problem:
            raise ConnectionFailed("no thread for the call") from problem
        wait([future], seconds)
        if not future.done():
            with self._lock:
                self._late.append(future)
            raise ConnectionFailed(LATE)
        return future.result()


class _Answer:
    """An answer in the making."""

    def __init__(self, response: httpx.Response) -> None:
        # None was asked for, and a small body may unpack to a huge one.
        if response.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
            raise ConnectionFailed("answer is compressed")
        self._response = response
        self._body = bytearray()

    def add(self, chunk: bytes) -> None:
        if len(self._body) + len(chunk) > LARGEST_ANSWER:
            raise ConnectionFailed(f"answer is larger than {LARGEST_ANSWER} bytes")
        self._body += chunk

    def whole(self) -> httpx.Response:
        return httpx.Response(self._response.status_code, content=bytes(self._body))


def _settle(future: Future[T], call: Callable[[], T]) -> None:
    try:
        future.set_result(call())
    except BaseException as problem:
        future.set_exception(problem)

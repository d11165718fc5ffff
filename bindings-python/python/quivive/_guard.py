"""The detection guard as the adapters for frameworks use it; everything that is decided is decided in the core."""

from __future__ import annotations

import logging
import os
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, TypedDict, cast

from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar
from typing_extensions import Unpack

from ._directories import KeyDirectories
from ._hooks import Hook
from ._native import DetectionGuard
from ._service import MOST_WAITING, FetchPolicy, PolicySource, policy_plan, service_of
from .errors import InvalidInput
from .types import GuardEnquiry, GuardOptions, GuardOutcome, GuardRequest, GuardResponse, Policy, RemoteDetection

Pair: TypeAlias = tuple[str, str]

_LOG = logging.getLogger("quivive")
_PATIENCE_MS = 1_000
_MARKS = "x-agentshield-"
_NO_MARK = "x-agentshield-key"
_HOOKS = ("on_detection", "on_block", "on_result", "on_error")
_SERVICE = ("api_key", "api_url", "project_id", "timeout")
_WAITERS: RunVar[CapacityLimiter] = RunVar("quivive_waiters")


class HostOptions(TypedDict, total=False):
    """What the host of a guard is told beside the guard's own options."""

    key_directories: bool | Sequence[str]
    """Whether keys of signing agents are fetched: of the catalogued ones, and of further origins that are listed."""
    mode: Literal["local", "remote", "hybrid"]
    """`local`, the default: nothing leaves the process. `remote`: each request waits for what the service says about
    it, and where it does not answer, the policy's `fail_open` decides. `hybrid`: the decision is made here, and the
    service is told afterwards; what finds no room among 1,000 reports is dropped."""
    api_key: str
    """The service's key; by default `AGENTSHIELD_API_KEY`, else `CHECKPOINT_API_KEY`, from the environment."""
    api_url: str
    """The service's address; by default `QUIVIVE_URL` from the environment."""
    project_id: str
    """The project at the service; by default `CHECKPOINT_PROJECT_ID` from the environment."""
    timeout: float
    """For how many seconds a request waits for the service, 0.25 unless said otherwise."""
    fetch_policy: bool | FetchPolicy
    """Whether the policy of the project counts, which is fetched from the service and renewed every 300 seconds, off
    the request; one that cannot be renewed goes on counting."""
    fallback_policy: Policy
    """The policy that counts until one is fetched; by default `policy`. Only with `fetch_policy`."""
    on_detection: Callable[[GuardOutcome], object]
    """Is told of every bot that is detected."""
    on_block: Callable[[GuardOutcome], object]
    """Is told of every request that does not pass."""
    on_result: Callable[[GuardOutcome], object]
    """Is told of every request."""
    on_error: Callable[[Exception], object]
    """Is told when the guard fails, and when keys, a policy or the service cannot be had."""


class AdapterOptions(GuardOptions, HostOptions, total=False):
    """All options of an adapter.

    Hooks are called in threads of their own, never in the request's; one that falls 1,000 calls behind misses the next.
    """


@dataclass(frozen=True)
class Course:
    """What an adapter does with a request: answer it with `response`, or let it pass."""

    outcome: GuardOutcome | None = None
    response: GuardResponse | None = None
    rewrite: str | None = None
    set_headers: Sequence[Pair] = ()
    remove: frozenset[str] = frozenset()
    """The lower-case names of headers that a passing request loses."""
    set: Sequence[Pair] = ()
    """The headers that a passing request gets after that."""


class Guard:
    """One guard of one site, safe to share between threads; a forked process gets one of its own."""

    def __init__(self, **options: Unpack[AdapterOptions]) -> None:
        given = cast("dict[str, Any]", dict(options))
        if "seed" in given:
            raise InvalidInput("INVALID_INPUT", "seed is drawn anew by each process", {"field": "seed"})
        self._trusted: bool | Sequence[str] = given.pop("key_directories", False)
        self._hooks = {name: given.pop(name, None) for name in _HOOKS}
        self._mode = given.pop("mode", "local")
        if self._mode not in ("local", "remote", "hybrid"):
            raise InvalidInput("INVALID_INPUT", "mode is local, remote or hybrid", {"field": "mode"})
        self._at_service = {name: given.pop(name) for name in _SERVICE if name in given}
        fetches_policy = given.pop("fetch_policy", False)
        self._plan = None if fetches_policy is False else policy_plan(self._at_service, fetches_policy)
        fallback = given.pop("fallback_policy", None)
        if fallback is not None:
            if self._plan is None:
                raise InvalidInput("INVALID_INPUT", "fallback_policy needs fetch_policy", {"field": "fallback_policy"})
            given["policy"] = fallback
        self._options = _with_secret(given, os.environ.get("AGENTSHIELD_SECRET"))
        self._open: bool | None = given.get("fail_open", given.get("failOpen"))
        self._start()
        if self._native.has_own_key:
            _LOG.warning("no encryption key for the session cookie: a random one serves until this process ends")
        _start_after_fork(self)

    def check(self, request: GuardRequest) -> Course:
        """Find out what is to be done with a request; to be asked once for each."""
        return self._conclude(self._end(request, *self._begin(request)))

    async def check_async(self, request: GuardRequest) -> Course:
        """As `check`, without blocking the event loop while keys or the service are waited for."""
        keys, asked = self._begin(request)
        if keys or not (asked is None or asked.done()):
            request = await to_thread.run_sync(self._end, request, keys, asked, limiter=_waiters())
        else:
            request = self._end(request, keys, asked)
        return self._conclude(request)

    def _start(self) -> None:
        self._native = DetectionGuard(**self._options)
        self._heed(self._options.get("policy") or {}, "timeout_ms", "fail_open")
        hooks = {name: Hook(function) for name, function in self._hooks.items() if function is not None}
        self._on_detection, self._on_block = hooks.get("on_detection"), hooks.get("on_block")
        self._on_result, self._on_error = hooks.get("on_result"), hooks.get("on_error")
        fetches = self._trusted is not False
        self._directories = KeyDirectories(self._native, self._trusted, self._fail) if fetches else None
        needs_service = self._mode != "local" or self._plan is not None
        self._service = service_of(self._at_service) if needs_service else None
        self._reports = Hook(self._report) if self._mode == "hybrid" else None
        self._policies = None
        if self._service and self._plan:
            self._policies = PolicySource(self._service, *self._plan, self._take_policy, self._fail)
            self._policies.renew()

    def _take_policy(self, policy: dict[str, Any]) -> None:
        self._native.set_policy(policy)
        if policy.get("updatedAt", "") is None:
            # The project has no policy: the guard's own counts.
            self._heed(self._options.get("policy") or {}, "timeout_ms", "fail_open")
            return
        self._heed(policy, "timeoutMs", "failOpen")
        self._fails_open |= policy.get("blockingEnabled") is False

    def _heed(self, policy: Mapping[str, Any], timeout: str, fail_open: str) -> None:
        """Notes what a policy says about waiting for keys, and about failures of the guard itself."""
        require = policy.get("require")
        self._waits_for_keys = require == "signed"
        patience = policy.get(timeout)
        self._patience = (_PATIENCE_MS if patience is None else patience) / 1_000
        chosen = (policy.get(fail_open), self._open, require not in ("agent", "signed"))
        self._fails_open = next(choice for choice in chosen if choice is not None)

    def _begin(self, request: GuardRequest) -> tuple[list[Future[None]], Future[RemoteDetection] | None]:
        """Starts what a request needs; gives what it has to wait for."""
        keys, asked = self._wanted_keys(request), None
        try:
            if self._policies is not None:
                self._policies.renew()
            if self._service and self._mode == "remote":
                enquiry = self._native.enquiry(**request)
                asked = self._service.ask(enquiry) if enquiry else None
        except Exception as error:
            self._fail(error)
        return keys, asked

    def _end(
        self, request: GuardRequest, keys: list[Future[None]], asked: Future[RemoteDetection] | None
    ) -> GuardRequest:
        """Waits for it; gives the request as it is then."""
        if keys:
            wait(keys, self._patience)
        if asked is None or self._service is None:
            return request
        try:
            return {**request, "detection": asked.result(self._service.seconds)}
        except Exception as error:
            asked.cancel()
            self._fail(error if str(error) else TimeoutError("the service did not answer in time"))
            return {**request, "unavailable": True}

    def _report(self, enquiry: GuardEnquiry) -> None:
        try:
            if self._service:
                self._service.detect(enquiry)
        except Exception as error:
            self._fail(error)

    def _wanted_keys(self, request: GuardRequest) -> list[Future[None]]:
        """Starts to fetch the keys that a request needs; gives what the request has to wait for."""
        if self._directories is None:
            return []
        try:
            fetches = self._directories.fetch(request)
        except Exception as error:
            self._fail(error)
            return []
        return fetches if self._waits_for_keys else []

    def _conclude(self, request: GuardRequest) -> Course:
        try:
            outcome = self._checked(request)
        except Exception as error:
            self._fail(error)
            remove = frozenset(name.lower() for name, _ in request.get("headers", []) if _is_mark(name))
            return Course(remove=remove) if self._fails_open else Course(response=_unavailable())
        self._tell(outcome)
        if self._reports and (enquiry := self._native.enquiry(**request)):
            self._reports.tell(enquiry)
        return Course(
            outcome,
            outcome["response"],
            outcome["rewrite"],
            outcome["set_headers"],
            frozenset(name.lower() for name in outcome["upstream"]["remove"]),
            outcome["upstream"]["set"],
        )

    def _checked(self, request: GuardRequest) -> GuardOutcome:
        try:
            return self._native.check(**request)
        except InvalidInput as error:
            if "detection" not in request:
                raise
            # The service said what cannot be: as if it had said nothing.
            self._fail(error)
            unheard: GuardRequest = {**request, "detection": None, "unavailable": True}
            return self._native.check(**unheard)

    def _tell(self, outcome: GuardOutcome) -> None:
        seen = outcome["classification"]
        if self._on_detection and seen is not None and seen["is_bot"]:
            self._on_detection.tell(outcome)
        if self._on_block and not outcome["passes"]:
            self._on_block.tell(outcome)
        if self._on_result:
            self._on_result.tell(outcome)

    def _fail(self, error: Exception) -> None:
        _LOG.warning("detection goes on without what failed: %s", error)
        if self._on_error:
            self._on_error.tell(error)


def _waiters() -> CapacityLimiter:
    """Threads of the guards in this event loop: those that the site itself shares are left to it."""
    try:
        return _WAITERS.get()
    except LookupError:
        waiters = CapacityLimiter(MOST_WAITING)
        _WAITERS.set(waiters)
        return waiters


def _with_secret(options: dict[str, Any], secret: str | None) -> dict[str, Any]:
    """The options with the session key of earlier packages, where none is set."""
    name = "sessionTracking" if "sessionTracking" in options else "session_tracking"
    tracking: Mapping[str, Any] = options.get(name) or {}
    if not secret or tracking.get("encryption_key") or tracking.get("encryptionKey"):
        return options
    return {**options, name: {**tracking, "encryption_key": secret}}


def _start_after_fork(guard: Guard) -> None:
    """A copy would share its seed with other processes, and locks with threads that are not there."""
    known = weakref.ref(guard)

    def start() -> None:
        guard = known()
        if guard is not None:
            guard._start()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=start)


def present() -> int:
    """The present, in milliseconds since the Unix epoch."""
    return time.time_ns() // 1_000_000


def _is_mark(name: str) -> bool:
    """Whether only a guard may set this header: what the core says where it could be asked."""
    spelt = name.lower().replace("_", "-")
    return spelt.startswith(_MARKS) and spelt != _NO_MARK


def _unavailable() -> GuardResponse:
    return {
        "status": 503,
        "headers": [("Content-Type", "application/json"), ("Cache-Control", "no-store")],
        "body": '{"code":"DETECTION_UNAVAILABLE","error":"Who asks cannot be found out at the moment."}',
    }

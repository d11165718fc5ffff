"""The detection guard with a service: asked before a decision, told after it, and where the policy comes from."""

import asyncio
import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import anyio
import anyio.to_thread
import pytest

import quivive
from quivive._guard import Guard, present

GPTBOT = "Mozilla/5.0 (compatible; GPTBot/1.2; +https://openai.com/gptbot)"
AGENT = {"isBot": True, "confidence": 0.99, "botType": "ai_agent", "details": {}, "metadata": {}}
PERSON = {"isBot": False, "confidence": 0.02, "botType": "human"}
BLOCKS = {"defaultAction": "allow", "blockThreshold": 80, "updatedAt": "2026-11-22T12:00:00.000Z"}


class Service(ThreadingHTTPServer):
    """Answers every detection alike, serves one policy with its tag, and keeps what it was sent."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Door)
        self.meeting = None
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.status, self.answer, self.delay, self.drips = 200, AGENT, 0.0, False
        self.policy, self.tag, self.policy_status = BLOCKS, '"one"', 200
        self.told, self.policies = [], []


class Door(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.told.append((self.path, dict(self.headers.items()), body))
        if self.server.meeting:
            self.server.meeting.wait()
        time.sleep(self.server.delay)
        self.give(self.server.status, self.server.answer)

    def do_GET(self):
        self.server.policies.append((self.path, dict(self.headers.items())))
        if self.headers.get("If-None-Match") == self.server.tag:
            return self.give(304, None)
        self.give(self.server.policy_status, self.server.policy, self.server.tag)

    def give(self, status, body, tag=None):
        text = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        if tag:
            self.send_header("ETag", tag)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text) + 100 * self.server.drips))
        self.end_headers()
        try:
            self.wfile.write(text)
            for _ in range(100 * self.server.drips):
                self.wfile.write(b" ")
                time.sleep(0.05)
        except OSError:
            pass

    def log_message(self, *arguments):
        pass


@pytest.fixture
def service():
    service = Service()
    threading.Thread(target=service.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield service
    service.shutdown()
    service.server_close()


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for name in ("AGENTSHIELD_API_KEY", "CHECKPOINT_API_KEY", "CHECKPOINT_PROJECT_ID", "AGENTSHIELD_SECRET"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def guarded(service):
    def make(**options):
        errors = []
        guard = Guard(api_url=service.url, api_key="as_test", on_error=errors.append, **options)
        guard.errors = errors
        return guard

    return make


def request(target="/prices", user_agent="curl/8", **more):
    headers = [("Host", "shop.example"), ("User-Agent", user_agent), ("Cookie", "a=b")]
    return {"target": target, "headers": headers, "peer": "192.0.2.7:4711", "now": present(), **more}


def until(condition, seconds=5.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def test_the_services_figure_decides(service, guarded):
    guard = guarded(mode="remote", on_agent_detected="block", project_id="proj_1")
    course = guard.check(request("/prices?token=t"))
    assert course.response["status"] == 403
    assert course.outcome["classification"]["bot_type"] == "ai_agent"
    path, headers, body = service.told[0]
    assert path == "/api/v1/detect"
    assert headers["X-AgentShield-Key"] == "as_test" and headers["X-AgentShield-Project"] == "proj_1"
    assert body == {
        "userAgent": "curl/8",
        "ip": "192.0.2.7",
        "headers": {"host": "shop.example", "user-agent": "curl/8"},
        "url": "/prices",
        "method": "GET",
    }
    service.answer = PERSON
    assert guard.check(request(user_agent=GPTBOT)).response is None


def test_the_event_loop_goes_on_while_the_service_is_asked(service, guarded):
    service.delay = 0.2
    guard = guarded(mode="remote", on_agent_detected="block", timeout=2.0)

    async def both():
        checks = [asyncio.create_task(guard.check_async(request())) for _ in range(4)]
        ticks = 0
        while not all(check.done() for check in checks):
            await asyncio.sleep(0.01)
            ticks += 1
        return [check.result().response["status"] for check in checks], ticks

    began = time.monotonic()
    statuses, ticks = asyncio.run(both())
    assert statuses == [403] * 4 and ticks >= 5
    assert time.monotonic() - began < 0.8


def test_a_waiting_request_keeps_no_thread_from_the_site_or_from_others(service, guarded):
    service.meeting = threading.Barrier(32, timeout=10)
    guard = guarded(mode="remote", on_agent_detected="block", timeout=10.0)

    async def all_at_once():
        checks = [asyncio.create_task(guard.check_async(request())) for _ in range(32)]
        await anyio.sleep(0)
        borrowed = anyio.to_thread.current_default_thread_limiter().borrowed_tokens
        return [course.response["status"] for course in await asyncio.gather(*checks)], borrowed

    assert asyncio.run(all_at_once()) == ([403] * 32, 0)


def test_a_refused_request_waits_for_no_thread(service, guarded):
    guard = guarded(mode="remote", fail_open=False)
    guard._service._room = threading.BoundedSemaphore(1)
    guard._service._room.acquire()

    async def refused():
        limiter = quivive._guard._waiters()
        limiter.total_tokens = 1
        await limiter.acquire()
        return (await guard.check_async(request())).response["status"]

    assert asyncio.run(refused()) == 503 and "too many" in str(guard.errors[0])


def test_the_policy_of_a_project_without_one_or_that_only_notes(service, guarded):
    unset = {"enabled": False, "defaultAction": "allow", "updatedAt": None, "blockingEnabled": False}
    service.policy = unset
    fetch = {"project_id": "proj_7", "cache_ttl_seconds": 1}
    guard = guarded(fetch_policy=fetch, fallback_policy={"require": "signed", "fail_open": False})
    until(lambda: service.policies and guard._policies._due < float("inf"))
    assert not guard.errors
    assert guard.check(request()).response is not None, "the fallback goes on counting"
    assert not guard._fails_open and guard._waits_for_keys
    service.policy, service.tag = {**BLOCKS, "require": "signed", "blockingEnabled": False}, '"two"'
    until(lambda: guard.check(request()).response is None)
    assert guard.check(request()).outcome["action"] == "log" and guard._fails_open
    service.policy, service.tag = unset, '"three"'
    until(lambda: guard.check(request()).response is not None)
    assert not guard._fails_open


@pytest.mark.parametrize("fault", ["slow", "drips", "500", "401", "nonsense", "no JSON", "impossible", "gone"])
def test_a_service_that_does_not_answer_opens_or_closes_as_chosen(service, guarded, fault):
    if fault == "slow":
        service.delay = 1.0
    elif fault == "drips":
        service.drips = True
    elif fault in ("500", "401"):
        service.status, service.answer = int(fault), {"error": {"code": "INTERNAL_ERROR", "message": "no"}}
    elif fault == "nonsense":
        service.answer = {"isBot": True, "confidence": "high", "botType": "martian"}
    elif fault == "impossible":
        service.answer = {**AGENT, "confidence": 7}
    elif fault == "no JSON":
        service.answer = []
    elif fault == "gone":
        service.server_close()
    for fail_open, status in ((True, None), (False, 503)):
        guard = guarded(mode="remote", fail_open=fail_open)
        began = time.monotonic()
        response = guard.check(request()).response
        assert (response and response["status"]) == status
        assert time.monotonic() - began < 0.9
        until(lambda guard=guard: guard.errors)


def test_a_closed_policy_wins_over_an_open_option(service, guarded):
    service.status = 500
    guard = guarded(mode="remote", fail_open=True, policy={"fail_open": False})
    assert guard.check(request()).response["status"] == 503
    opened = guarded(mode="remote", fail_open=False, policy={"fail_open": True, "thresholds": {"confidence_action": "log"}})
    assert opened.check(request()).response is None


def test_paths_that_are_not_looked_at_are_not_told(service, guarded):
    guard = guarded(mode="remote", skip_paths=["/health"])
    assert guard.check(request("/health")).response is None
    hybrid = guarded(mode="hybrid", skip_paths=["/health"])
    hybrid.check(request("/health"))
    hybrid.check(request("/prices"))
    until(lambda: service.told)
    time.sleep(0.1)
    assert [body["url"] for _, _, body in service.told] == ["/prices"]


def test_hybrid_decides_here_and_tells_afterwards(service, guarded):
    service.delay = 0.5
    guard = guarded(mode="hybrid", on_agent_detected="block", timeout=2.0)
    began = time.monotonic()
    assert guard.check(request(user_agent=GPTBOT)).response["status"] == 403
    assert time.monotonic() - began < 0.3
    until(lambda: service.told)
    assert service.told[0][2]["userAgent"] == GPTBOT
    service.delay, service.status = 0.0, 500
    assert guard.check(request(user_agent=GPTBOT)).response["status"] == 403
    until(lambda: guard.errors)


def test_a_fetched_policy_takes_the_place_of_the_fallback(service, guarded):
    service.policy_status = 503
    guard = guarded(fetch_policy={"project_id": "proj_7", "cache_ttl_seconds": 1}, fallback_policy={"enabled": False})
    assert guard.check(request(user_agent=GPTBOT)).response is None
    until(lambda: guard.errors)
    service.policy_status = 200

    def blocks():
        return guard.check(request(user_agent=GPTBOT)).response is not None

    until(blocks)
    path, headers = service.policies[0]
    assert path == "/api/v1/projects/proj_7/policy" and headers["X-AgentShield-Key"] == "as_test"
    assert "If-None-Match" not in headers


def test_an_old_policy_goes_on_counting_and_a_changed_one_comes(service, guarded):
    guard = guarded(fetch_policy={"project_id": "proj_7", "cache_ttl_seconds": 1}, fallback_policy={"enabled": False})

    def blocks():
        return guard.check(request(user_agent=GPTBOT)).response is not None

    until(blocks)
    asked = len(service.policies)
    until(lambda: blocks() and len(service.policies) > asked)
    assert service.policies[-1][1]["If-None-Match"] == '"one"'
    service.policy_status, service.tag = 500, '"two"'
    until(lambda: blocks() and guard.errors)
    service.policy_status, service.policy, service.tag = 200, {"defaultAction": "shout"}, '"three"'
    errors = len(guard.errors)
    until(lambda: blocks() and any("defaultAction" in str(error) for error in guard.errors[errors:]))
    service.policy, service.tag = {"defaultAction": "allow", "enabled": False}, '"four"'
    until(lambda: not blocks())


def test_a_service_that_refuses_is_not_asked_again_and_again(service, guarded):
    service.policy_status = 401
    guard = guarded(fetch_policy={"project_id": "proj_7", "cache_ttl_seconds": 1})
    until(lambda: guard.errors)
    time.sleep(1.2)
    guard.check(request())
    assert guard._policies._due > time.monotonic() + 50
    assert len(service.policies) == 1


def test_a_fetched_policy_says_whether_a_silent_service_closes_the_site(service, guarded):
    service.status, service.policy = 500, {"defaultAction": "allow", "failOpen": False}
    guard = guarded(mode="remote", fetch_policy=True, project_id="proj_7")
    until(lambda: (guard.check(request()).response or {}).get("status") == 503)


def test_what_cannot_be_begun_keeps_no_place_and_is_tried_again(service, guarded):
    guard = guarded(mode="remote", fail_open=False, fetch_policy=True, project_id="proj_7")
    until(lambda: service.policies and guard._policies._due < float("inf"))
    guard._service._threads.shutdown()
    guard._policies._due = 0.0
    for _ in range(120):
        assert guard.check(request()).response["status"] == 503
    assert time.monotonic() < guard._policies._due < float("inf")
    assert guard._service._room.acquire(blocking=False)


def test_the_environment_names_service_key_and_project(service, monkeypatch):
    monkeypatch.setenv("QUIVIVE_URL", service.url + "/api/v1/")
    monkeypatch.setenv("CHECKPOINT_API_KEY", "as_old")
    monkeypatch.setenv("CHECKPOINT_PROJECT_ID", "proj_9")
    Guard(fetch_policy=True)
    until(lambda: service.policies)
    path, headers = service.policies[0]
    assert path == "/api/v1/projects/proj_9/policy"
    assert (headers["X-AgentShield-Key"], headers["X-AgentShield-Project"]) == ("as_old", "proj_9")
    monkeypatch.setenv("AGENTSHIELD_API_KEY", "as_new")
    Guard(mode="remote").check(request())
    assert service.told[0][1]["X-AgentShield-Key"] == "as_new"


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_a_forked_process_asks_by_connections_of_its_own(service, guarded):
    guard = guarded(mode="remote", on_agent_detected="block", timeout=2.0)
    assert guard.check(request()).response["status"] == 403
    child = os.fork()
    if child == 0:
        response = guard.check(request()).response
        os._exit(0 if response and response["status"] == 403 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"mode": "far"}, "mode"),
        ({"fallback_policy": {"enabled": False}}, "fallback_policy"),
        ({"mode": "remote", "api_key": "k"}, "api_url"),
        ({"mode": "remote", "api_url": "https://api.example"}, "api_key"),
        ({"mode": "remote", "api_key": "k", "api_url": "http://api.example"}, "api_url"),
        ({"mode": "remote", "api_key": "k", "api_url": "https://u:p@api.example"}, "api_url"),
        ({"mode": "remote", "api_key": "k", "api_url": "https://api.example", "timeout": 0}, "timeout"),
        ({"mode": "remote", "api_key": "k", "api_url": "https://api.example", "timeout": "1"}, "timeout"),
        ({"fetch_policy": True, "api_key": "k", "api_url": "https://api.example"}, "fetch_policy"),
        ({"fetch_policy": {"project_id": "../x"}, "api_key": "k", "api_url": "https://a.example"}, "fetch_policy"),
        (
            {
                "fetch_policy": {"project_id": "p", "cache_ttl_seconds": 0},
                "api_key": "k",
                "api_url": "https://a.example",
            },
            "fetch_policy",
        ),
    ],
)
def test_options_that_cannot_be_used_are_refused_at_the_start(options, field):
    with pytest.raises(quivive.InvalidInput) as refused:
        Guard(**options)
    assert refused.value.details["field"] == field

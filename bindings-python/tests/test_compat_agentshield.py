"""The AgentShield client under the original's name, against a small service of its own."""

import json
import logging
import os
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from quivive import ApiError, ConnectionFailed, InvalidInput
from quivive.compat.agentshield import AgentShield

DETECTION = {
    "isBot": True,
    "confidence": 0.95,
    "botType": "ai_agent",
    "details": {"userAgentBot": True, "behavioralBot": False, "ipBot": False},
    "metadata": {"engine": "Quivive/0.1.0", "processingTime": 0},
}


class Service(ThreadingHTTPServer):
    """Notes every request; answers `answers` first, in their order, then what the path is for."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.base_url = f"http://127.0.0.1:{self.server_port}/api/v1"
        self.requests, self.answers = [], []

    def paths(self):
        return [request["path"] for request in self.requests]

    def events(self):
        return [event for request in self.requests if request["path"] == "/api/v1/batch" for event in request["body"]["events"]]


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "null")
        path = self.path.split("?")[0]
        self.server.requests.append({"path": path, "target": self.path, "headers": self.headers, "body": body})
        if self.server.answers:
            return self.answer(*self.server.answers.pop(0))
        if path.endswith("/detect"):
            return self.answer(200, DETECTION)
        if path.endswith("/batch"):
            count = len(body["events"])
            return self.answer(200, {"success": True, "received": count, "accepted": count, "rejected": 0, "errors": []})
        if path.endswith("/event"):
            return self.answer(200, {"success": True, "eventId": "evt_1"})
        return self.answer(200, {"projects": [], "detections": [], "id": "proj_1", "period": "day"})

    do_GET = do_POST

    def answer(self, status, body, headers=None):
        content = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments):
        pass


def refusal(status, code):
    return {"error": {"code": code, "message": f"because of {code}", "details": {}}}


@pytest.fixture
def service():
    service = Service()
    threading.Thread(target=service.serve_forever, daemon=True).start()
    yield service
    service.shutdown()
    service.server_close()


@pytest.fixture
def make(service):
    made = []

    def make(**options):
        made.append(AgentShield(**{"api_key": "as_test_key", "base_url": service.base_url, "retries": 0, **options}))
        return made[-1]

    yield make
    for client in made:
        client.close()


def until(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def test_detection_is_asked_with_the_key_and_remembered(make, service):
    shield = make()
    first = shield.detect("GPTBot/1.2", ip="192.0.2.1", headers={"accept": "*/*"})
    assert first == DETECTION
    first["isBot"] = False
    assert shield.detect("GPTBot/1.2", ip="192.0.2.1", headers={"accept": "*/*"}) == DETECTION
    shield.detect("GPTBot/1.2", ip="192.0.2.2", headers={"accept": "*/*"})
    assert len(service.requests) == 2
    assert service.requests[0]["headers"]["X-AgentShield-Key"] == "as_test_key"
    assert service.requests[0]["body"] == {"userAgent": "GPTBot/1.2", "ip": "192.0.2.1", "headers": {"accept": "*/*"}}


def test_memory_can_be_off_and_is_bounded(make, service):
    off, small = make(cache_seconds=0), make(cache_entries=2)
    for _ in range(2):
        off.detect("a")
    for user_agent in ["a", "b", "c", "a"]:
        small.detect(user_agent)
    assert len(service.requests) == 6


def test_answers_grow_old(make, service):
    shield = make(cache_seconds=0.05)
    shield.detect("a")
    time.sleep(0.06)
    shield.detect("a")
    assert len(service.requests) == 2


def test_events_come_together_to_a_batch(make, service):
    shield = make(batch_size=3, flush_seconds=60)
    for number in range(3):
        assert shield.event("click", f"https://example.org/{number}", timestamp=1_234_567_890) is None
    until(lambda: len(service.events()) == 3)
    assert service.paths() == ["/api/v1/batch"]
    assert [event["url"][-1] for event in service.events()] == ["0", "1", "2"]
    assert len({event["id"] for event in service.events()}) == 3


def test_few_events_are_sent_after_a_while(make, service):
    make(flush_seconds=0.05).event("page_view", "https://example.org/", metadata={"custom": "data"})
    until(lambda: service.events())
    assert service.events()[0]["metadata"] == {"custom": "data"}


def test_events_are_sent_when_the_program_ends(service):
    program = (
        "from quivive.compat.agentshield import AgentShield; "
        f"AgentShield('as_test_key', base_url={service.base_url!r}).event('click', 'https://example.org/')"
    )
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60, env=environment)
    assert len(service.events()) == 1


def test_one_event_at_once_gives_the_answer(make, service):
    answer = make(pixel_id="px_1").event("click", "https://example.org/", wait=True)
    assert answer == {"success": True, "eventId": "evt_1"}
    assert service.requests[0]["headers"]["X-Pixel-ID"] == "px_1"


def test_events_wait_for_a_service_that_is_down_and_keep_their_ids(make, service):
    shield = make(batch_size=100, flush_seconds=60)
    shield.event("click", "https://example.org/")
    service.answers = [(503, refusal(503, "INTERNAL_ERROR"))]
    with pytest.raises(ApiError):
        shield.flush()
    shield.flush()
    shield.flush()
    first, second = service.events()
    assert first["id"] == second["id"]


def test_events_that_are_refused_for_good_are_logged_as_lost(make, service, caplog):
    shield = make(flush_seconds=60)
    service.answers = [(401, refusal(401, "UNAUTHORIZED"))]
    shield.event("click", "https://example.org/")
    with caplog.at_level(logging.WARNING, "quivive"):
        shield.flush()
    assert "1 events are lost" in caplog.text and "as_test_key" not in caplog.text
    shield.flush()
    assert len(service.requests) == 1


def test_full_window_is_waited_for(make, service):
    service.answers = [(429, refusal(429, "RATE_LIMIT_EXCEEDED"), {"Retry-After": "1"})]
    began = time.monotonic()
    assert make(retries=5).detect("a")["isBot"]
    assert time.monotonic() - began >= 1
    assert len(service.requests) == 2


def test_more_patience_than_half_a_minute_is_not_had(make, service):
    service.answers = [(429, refusal(429, "RATE_LIMIT_EXCEEDED"), {"Retry-After": "3600"})]
    with pytest.raises(ApiError, match="RATE_LIMIT_EXCEEDED"):
        make(retries=5).detect("a")
    assert len(service.requests) == 1


def test_closing_ends_a_pause(make, service):
    shield = make(retries=5, batch_size=1)
    service.answers = [(429, refusal(429, "RATE_LIMIT_EXCEEDED"), {"Retry-After": "20"})]
    shield.event("click", "https://example.org/")
    until(lambda: service.requests)
    began = time.monotonic()
    shield.close()
    assert time.monotonic() - began < 10
    first, second = service.events()
    assert first["id"] == second["id"]


def test_an_event_sent_again_has_the_same_id(make, service):
    service.answers = [(502, refusal(502, "BAD_GATEWAY"))] * 2
    shield = make(retries=5)
    shield.event("click", "https://example.org/", wait=True)
    shield.batch([{"event": "click", "url": "https://example.org/", "id": "mine"}])
    ids = [request["body"].get("id") for request in service.requests if request["path"].endswith("/event")]
    assert len(ids) == 3 and ids[0] and len(set(ids)) == 1
    assert [event["id"] for event in service.events()] == ["mine"]


def test_tries_end(make, service):
    service.answers = [(500, refusal(500, "INTERNAL_ERROR"))] * 3
    with pytest.raises(ApiError) as raised:
        make(retries=2).detect("a")
    assert (raised.value.status, raised.value.code) == (500, "INTERNAL_ERROR")
    assert str(raised.value) == "service answered 500: because of INTERNAL_ERROR"
    assert len(service.requests) == 3


def test_refusals_are_not_tried_again(make, service):
    service.answers = [(400, refusal(400, "INVALID_REQUEST"))]
    with pytest.raises(ApiError, match="INVALID_REQUEST"):
        make(retries=5).detect("a")
    assert len(service.requests) == 1


def test_nobody_at_home(make):
    with pytest.raises(ConnectionFailed):
        make(base_url="http://127.0.0.1:9/api/v1").detect("a")


def test_projects(make, service):
    projects = make().projects
    projects.list(page=2, limit=5, search="shop")
    projects.get("proj_1")
    projects.detections("proj_1", startDate="2026-01-01", botType=["ai_agent", "crawler"], isBot=True)
    projects.analytics("proj_1", period="hour", metrics="summary,agents")
    assert [request["target"].removeprefix("/api/v1/projects") for request in service.requests] == [
        "?page=2&limit=5&search=shop",
        "/proj_1",
        "/proj_1/detections?startDate=2026-01-01&botType=ai_agent%2Ccrawler&isBot=true",
        "/proj_1/analytics?period=hour&metrics=summary%2Cagents",
    ]


def test_wrong_options_are_refused(make, monkeypatch):
    monkeypatch.delenv("AGENTSHIELD_API_KEY", raising=False)
    with pytest.raises(InvalidInput, match="AGENTSHIELD_API_KEY"):
        make(api_key=None).detect("a")
    for options in [{"base_url": "http://door.example/api/v1"}, {"base_url": "door"}, {"batch_size": 0}, {"batch_size": 101}]:
        with pytest.raises(InvalidInput):
            make(**options)
    with pytest.raises(InvalidInput):
        make().projects.get("../keys")


def test_key_is_taken_from_the_environment(make, service, monkeypatch):
    monkeypatch.setenv("AGENTSHIELD_API_KEY", "as_test_other")
    make(api_key=None).detect("a")
    assert service.requests[0]["headers"]["X-AgentShield-Key"] == "as_test_other"

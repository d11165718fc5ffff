"""A small guarded site with a token service, whose challenges and tokens are made and checked by the package."""

import json
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

import quivive


class Site(ThreadingHTTPServer):
    """Guards `/inline` by a challenge, `/token` by a token; issues tokens; counts what it was asked."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Door)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.key = quivive.generate_key(seed=os.urandom(32).hex(), kid="door-1")
        self.verifier = quivive.Verifier(keys=quivive.public_keys(keys=[self.key]))
        self.hybrid, self.fails_speed = {}, 0
        self.open, self.revoked, self.refreshable, self.asked = {}, set(), set(), []
        self.lifetime, self.gives_refresh, self.asks_by_bearer, self.delay = 3600, True, True, 0.0
        self.verdict = self.drips = None
        self.lock = threading.Lock()

    def asked_for(self, path):
        return [headers for asked, headers in self.asked if asked == path]

    def new_challenge(self):
        made = quivive.generate_challenge(kind="speed", seed=os.urandom(32).hex(), now=now())
        self.open[made["question"]["id"]] = made["challenge"]
        return made["question"]

    def is_solved(self, identifier, answers):
        with self.lock:
            challenge = self.open.pop(identifier, None)
        try:
            quivive.check_solution(challenge=challenge, answers=answers, now=now())
        except quivive.QuiviveError:
            return False
        return True

    def new_hybrid(self):
        made = quivive.generate_hybrid(seed=os.urandom(32).hex(), now=now(), client_time=now() - 1000)
        self.hybrid[made["question"]["id"]] = made["challenge"]
        speed, reasoning = made["question"]["speed"], made["question"]["reasoning"]
        return {
            "id": made["question"]["id"],
            "speed": {"problems": speed["problems"], "timeLimit": f"{speed['limit_ms']}ms"},
            "reasoning": {"questions": reasoning["questions"], "timeLimit": "30s"},
        }

    def right_answer(self, question):
        """What a model would answer: the test reads it where the service keeps it."""
        for challenge in self.hybrid.values():
            for right in challenge["reasoning"]["expected"]:
                if right["id"] == question["id"]:
                    return right["answer"]
        raise LookupError(question)

    def judge_hybrid(self, identifier, body):
        """Both steps, as the BOTCHA-compatible API has them."""
        assert body["type"] == "hybrid"
        challenge = self.hybrid.pop(identifier)
        if "speed_answers" in body:
            hashes = None if self.fails_speed > 0 else body["speed_answers"]
            self.fails_speed -= 1
            judged = quivive.check_hybrid_speed(challenge=challenge, speed_answers=hashes, now=now())
            self.hybrid[identifier] = judged["challenge"]
            return {"success": False, "pending": "reasoning", "speed": judged["speed"], "expires_in_ms": 34000}
        answers = body["reasoning_answers"]
        outcome = quivive.check_hybrid(challenge=challenge, reasoning_answers=answers, now=now())
        if outcome["valid"]:
            return {"success": True, **self.issue()}
        return {"success": False, "message": f"❌ Failed: {outcome['reason']}"}

    def issue(self):
        claims = {
            "type": "botcha-verified",
            "iss": "botcha.ai",
            "jti": os.urandom(8).hex(),
            "exp": int(time.time()) + self.lifetime,
        }
        issued = {"access_token": quivive.sign_token(claims=claims, key=self.key)["token"], "expires_in": self.lifetime}
        if self.gives_refresh:
            issued["refresh_token"] = os.urandom(8).hex()
            self.refreshable.add(issued["refresh_token"])
        return issued

    def is_valid(self, token):
        try:
            self.verifier.verify(token)
        except quivive.QuiviveError:
            return False
        return token not in self.revoked


class Door(BaseHTTPRequestHandler):
    """The endpoints of `Site`."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        parts = urlsplit(self.path)
        self.server.asked.append((parts.path, dict(self.headers.items())))
        if self.server.drips is not None:
            return self.drip(self.server.drips)
        {
            "/inline": self.inline,
            "/token": self.token,
            "/v1/token": self.token_challenge,
            "/v1/challenges": self.hybrid_challenge,
            "/v1/sessions/known/verdict": self.verdict,
        }.get(parts.path, self.not_found)()

    def do_POST(self):
        content = self.rfile.read(int(self.headers["Content-Length"]))
        body = json.loads(content) if self.headers["Content-Type"] == "application/json" else None
        self.server.asked.append((self.path, dict(self.headers.items())))
        if self.server.drips is not None:
            self.drip(self.server.drips)
        elif self.path == "/v1/token/verify":
            self.token_verify(body)
        elif self.path == "/v1/token/refresh":
            self.token_refresh(body)
        elif self.path.startswith("/v1/challenges/"):
            self.answer(200, self.server.judge_hybrid(self.path.split("/")[3], body))
        elif self.path == "/api/v1/detect":
            self.detect(body)
        elif self.path == "/inline":
            self.inline(body)
        else:
            self.not_found()

    def inline(self, body=None):
        answers = json.loads(self.headers.get("X-Botcha-Answers", "null"))
        if self.server.is_solved(self.headers.get("X-Botcha-Id", ""), answers):
            self.answer(200, {"welcome": True, "body": body})
        else:
            self.answer(403, {"error": "BOTCHA_VERIFICATION_FAILED", "challenge": self.server.new_challenge()})

    def token(self):
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        if scheme == "Bearer" and self.server.is_valid(token):
            self.answer(200, {"welcome": True})
        else:
            headers = {"WWW-Authenticate": 'Bearer error="invalid_token"'} if self.server.asks_by_bearer else {}
            self.answer(401, {"error": "INVALID_TOKEN"}, headers)

    def token_challenge(self):
        assert parse_qs(urlsplit(self.path).query)["ts"][0].isdigit()
        time.sleep(self.server.delay)
        self.answer(200, {"success": True, "challenge": self.server.new_challenge(), "token": None})

    def hybrid_challenge(self):
        query = parse_qs(urlsplit(self.path).query)
        assert query["type"] == ["hybrid"] and query["ts"][0].isdigit()
        self.answer(200, {"success": True, "type": "hybrid", "challenge": self.server.new_hybrid()})

    def token_verify(self, body):
        if self.server.is_solved(body["id"], body["answers"]):
            self.answer(200, self.server.issue())
        else:
            self.answer(403, {"success": False, "error": "CHALLENGE_FAILED", "message": "too slow"})

    def token_refresh(self, body):
        if body["refresh_token"] in self.server.refreshable:
            self.answer(200, {**self.server.issue(), "refresh_token": body["refresh_token"]})
        else:
            self.answer(401, {"success": False, "error": "INVALID_REFRESH_TOKEN", "message": "not found"})

    def verdict(self):
        if self.headers.get("Authorization") == "Bearer sk_test":
            query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
            verdict = {"verdict": "likely_human", "score": 75, "action": "allow", "detection_ids": []}
            verdict["reason"] = json.dumps(query, sort_keys=True)
            self.answer(200, verdict if self.server.verdict is None else self.server.verdict)
        else:
            self.answer(401, {"error": "Authentication required", "code": "UNAUTHENTICATED"})

    def detect(self, body):
        if self.headers.get("X-AgentShield-Key") == "as_test":
            details = {"userAgentBot": True, "behavioralBot": False, "ipBot": False}
            metadata = {"engine": json.dumps(body, sort_keys=True), "processingTime": 0}
            answer = {"isBot": True, "confidence": 0.95, "botType": "ai_agent"}
            self.answer(200, {**answer, "details": details, "metadata": metadata})
        else:
            self.answer(401, {"error": {"code": "INVALID_API_KEY", "message": "unknown key"}})

    def not_found(self):
        self.answer(404, {"error": "NOT_FOUND", "message": "nothing here"})

    def drip(self, start):
        """Sends the start of an answer, then one byte now and then."""
        self.close_connection = True
        try:
            self.wfile.write(start)
            for _ in range(100):
                self.wfile.write(b"a")
                time.sleep(0.1)
        except OSError:
            pass

    def answer(self, status, body, headers=None):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(text)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *arguments):
        pass


def now():
    return int(time.time() * 1000)


def start():
    site = Site()
    threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    return site


@pytest.fixture(autouse=True)
def no_service_in_environment(monkeypatch):
    monkeypatch.delenv("QUIVIVE_URL", raising=False)


@pytest.fixture
def site():
    site = start()
    yield site
    site.shutdown()
    site.server_close()


@pytest.fixture
def other_site():
    site = start()
    yield site
    site.shutdown()
    site.server_close()

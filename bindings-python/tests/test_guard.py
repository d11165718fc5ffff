"""The detection guard in front of sites made with each framework, asked over HTTP through a real server."""

import asyncio
import base64
import json
import logging
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import ModuleType, SimpleNamespace
from typing import Annotated
from wsgiref.simple_server import WSGIRequestHandler, make_server

import django
import flask
import httpx
import pytest
import requests
import uvicorn
import werkzeug.serving
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import JsonResponse
from django.test import override_settings
from django.urls import re_path
from fastapi import Depends, FastAPI, Request
from http_message_signatures import HTTPMessageSigner, HTTPSignatureKeyResolver, algorithms
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

import quivive
import quivive._guard
import quivive.asgi
import quivive.django
import quivive.fastapi
import quivive.flask
import quivive.wsgi
from quivive import _directories

GPTBOT = "Mozilla/5.0 (compatible; GPTBot/1.2; +https://openai.com/gptbot)"
PERSON = {
    "User-Agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/140.0.0.0 Safari/537.36",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language": "en-GB,en;q=0.9",
    "Accept-Encoding": "gzip, deflate, br",
    "Sec-Fetch-Site": "none",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Dest": "document",
    "Sec-CH-UA": '"Chromium";v="140", "Not=A?Brand";v="24", "Google Chrome";v="140"',
    "Sec-CH-UA-Platform": '"Windows"',
}
SECRET = "0123456789abcdef0123456789abcdef"


# Sites: every page tells what the application was given, and sets a cookie of its own.


def told(path, query, headers, outcome):
    marks = {name.lower().replace("_", "-"): value for name, value in headers if "agentshield" in name.lower()}
    return {"path": path, "query": query, "marks": marks, "outcome": outcome}


def starlette_app(options):
    async def page(request):
        body = told(request.url.path, request.url.query, request.headers.items(), request.state.quivive)
        assert request.scope["quivive"] == body["outcome"]
        return JSONResponse(body, headers={"Set-Cookie": "site=1"})

    return quivive.asgi.DetectAgents(Starlette(routes=[Route("/{path:path}", page)]), **options)


def fastapi_app(options):
    app = FastAPI()
    app.add_middleware(quivive.fastapi.DetectAgents, **options)

    @app.get("/{path:path}")
    def page(request: Request, seen: Annotated[dict, Depends(quivive.fastapi.detected)]) -> JSONResponse:
        body = told(request.url.path, request.url.query, request.headers.items(), seen)
        return JSONResponse(body, headers={"Set-Cookie": "site=1"})

    return app


def wsgi_app(options):
    def page(environ, start_response):
        headers = [(name[5:], value) for name, value in environ.items() if name.startswith("HTTP_")]
        body = told(environ["PATH_INFO"], environ["QUERY_STRING"], headers, environ["quivive"])
        start_response("200 OK", [("Content-Type", "application/json"), ("Set-Cookie", "site=1")])
        return [json.dumps(body).encode()]

    return quivive.wsgi.DetectAgents(page, **options)


def flask_app(options):
    app = flask.Flask("shop")

    @app.before_request
    def before():
        flask.g.early = flask.g.quivive

    @app.get("/", defaults={"path": ""})
    @app.get("/<path:path>")
    def page(path):
        assert flask.g.early == flask.g.quivive
        query = flask.request.query_string.decode()
        response = flask.jsonify(told(f"/{path}", query, flask.request.headers.items(), flask.g.quivive))
        response.set_cookie("site", "1")
        return response

    quivive.flask.DetectAgents(app, **options)
    return app


def django_page(request, path):
    query = request.GET.urlencode()
    response = JsonResponse(told(request.path, query, request.headers.items(), request.quivive))
    response.set_cookie("site", "1")
    return response


async def django_async_page(request, path):
    return django_page(request, path)


def django_app(options, kind):
    if not settings.configured:
        settings.configure(SECRET_KEY="test", ALLOWED_HOSTS=["*"], MIDDLEWARE=["quivive.django.DetectAgents"])
        django.setup()
    page = django_page if kind == "wsgi" else django_async_page
    urls = ModuleType("urls")
    urls.urlpatterns = [re_path(r"^(.*)$", page)]
    with override_settings(QUIVIVE=options):
        handler = WSGIHandler() if kind == "wsgi" else ASGIHandler()
    settings.ROOT_URLCONF = urls
    return handler


class QuietHandler(WSGIRequestHandler):
    def log_message(self, *arguments):
        pass


class QuietWerkzeugHandler(werkzeug.serving.WSGIRequestHandler):
    def log(self, *arguments):
        pass


@contextmanager
def uvicorn_server(app):
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", proxy_headers=False, lifespan="off"))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join(5)
    listener.close()


@contextmanager
def wsgiref_server(app):
    server = make_server("127.0.0.1", 0, app, handler_class=QuietHandler)
    yield from serving(server)


@contextmanager
def werkzeug_server(app):
    server = werkzeug.serving.make_server("127.0.0.1", 0, app, request_handler=QuietWerkzeugHandler)
    yield from serving(server)


def serving(server):
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


SITES = {
    "asgi": (starlette_app, uvicorn_server),
    "fastapi": (fastapi_app, uvicorn_server),
    "wsgi": (wsgi_app, wsgiref_server),
    "flask": (flask_app, werkzeug_server),
    "django-wsgi": (lambda options: django_app(options, "wsgi"), wsgiref_server),
    "django-asgi": (lambda options: django_app(options, "asgi"), uvicorn_server),
}


@pytest.fixture(params=SITES)
def serve(request):
    """Serves a site whose guard has the given options; gives a function that asks it."""
    make, server = SITES[request.param]
    open_servers = []

    def start(**options):
        context = server(make(options))
        port = context.__enter__()
        open_servers.append(context)
        return lambda *arguments, **more: ask(port, *arguments, **more)

    start.kind = request.param
    yield start
    for context in open_servers:
        context.__exit__(None, None, None)


def ask(port, path="/", headers=(), method="GET", user_agent=GPTBOT):
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    connection.putrequest(method, path, skip_accept_encoding=True)
    lines = list(headers.items() if isinstance(headers, dict) else headers)
    if user_agent and not any(name.lower() == "user-agent" for name, _ in lines):
        lines.append(("User-Agent", user_agent))
    for name, value in lines:
        connection.putheader(name, value)
    connection.endheaders()
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return SimpleNamespace(
        status=response.status,
        headers={name.lower(): value for name, value in response.getheaders()},
        cookies=[value for name, value in response.getheaders() if name.lower() == "set-cookie"],
        content=content,
        json=lambda: json.loads(content),
    )


# What holds for every framework.


def test_an_agent_passes_by_default_and_the_site_is_told(serve):
    answer = serve()("/prices?page=2&q=a%20b")
    assert answer.status == 200
    body = answer.json()
    assert body["path"] == "/prices" and body["query"].startswith("page=2&q=a")
    assert body["outcome"]["classification"]["sub_type"] == "ai_training"
    assert body["outcome"]["client_ip"] == "127.0.0.1"
    assert body["marks"]["x-agentshield-bot"] == "1"
    assert body["marks"]["x-agentshield-type"] == "crawler"
    assert body["marks"]["x-agentshield-detection-id"] == body["outcome"]["detection_id"]


def test_a_person_passes_where_agents_are_blocked(serve):
    answer = serve(on_agent_detected="block")("/", PERSON)
    assert answer.status == 200
    assert answer.json()["marks"]["x-agentshield-bot"] == "0"


def test_a_blocked_agent_is_answered_in_json_and_the_site_is_not_asked(serve):
    answer = serve(on_agent_detected="block", blocked_response={"headers": {"X-Why": "agents"}})("/")
    assert answer.status == 403
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["content-length"] == str(len(answer.content))
    assert answer.headers["x-why"] == "agents"
    assert answer.json()["code"] == "POLICY_BLOCKED"
    assert answer.cookies == []


def test_a_blocked_request_by_head_has_no_body(serve):
    answer = serve(on_agent_detected="block")("/", method="HEAD")
    assert (answer.status, answer.content) == (403, b"")


def test_an_agent_is_sent_elsewhere(serve):
    site = serve(on_agent_detected="redirect", redirect_url="/agents")
    answer = site("/")
    assert (answer.status, answer.headers["location"]) == (302, "/agents")
    assert site("/agents").status == 200


def test_an_agent_gets_the_content_of_another_path(serve):
    body = serve(on_agent_detected="rewrite", rewrite_url="/for%20agents?from=guard")("/prices?page=2").json()
    assert (body["path"], body["query"]) == ("/for agents", "from=guard")
    assert body["outcome"]["action"] == "rewrite"


def test_a_challenge_is_asked_for(serve):
    answer = serve(on_agent_detected="challenge", challenge_url="/prove")("/")
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == 'Quivive challenge="/prove"'
    assert "accept-signature" in answer.headers


def test_headers_that_only_the_guard_may_set_cannot_be_sent(serve):
    claims = [
        ("X-AgentShield-Bot", "0"),
        ("x-agentshield-bot", "0"),
        ("X_AgentShield_Verification", "verified"),
        ("X-AgentShield-Anything", "x"),
    ]
    site = serve(skip_paths=["/health"])
    marks = site("/", claims).json()["marks"]
    assert marks["x-agentshield-bot"] == "1"
    assert marks["x-agentshield-verification"] != "verified"
    assert "x-agentshield-anything" not in marks
    assert site("/health", claims).json()["marks"] == {}
    assert site("/health", [("X-AgentShield-Key", "as_key")]).json()["marks"] == {"x-agentshield-key": "as_key"}


def test_nothing_is_looked_at_on_a_skipped_path(serve):
    site = serve(on_agent_detected="block", skip_paths=["/health"])
    outcome = site("/health?full=1").json()["outcome"]
    assert outcome["passes"] and outcome["classification"] is None
    assert site("/admin/..%2fhealth").status == 403


def test_a_forwarded_address_counts_only_from_a_trusted_proxy(serve):
    forwarded = [("X-Forwarded-For", "203.0.113.4, 198.51.100.1")]
    assert serve()("/", forwarded).json()["outcome"]["client_ip"] == "127.0.0.1"
    behind = serve(client_ip={"trusted_proxies": ["127.0.0.1"]})
    assert behind("/", forwarded).json()["outcome"]["client_ip"] == "198.51.100.1"


def test_an_agent_is_known_again_by_its_cookie_beside_the_cookie_of_the_site(serve):
    site = serve(session_tracking={"enabled": True, "encryption_key": SECRET})
    cookies = site("/").cookies
    assert len(cookies) == 2 and any(cookie.startswith("site=1") for cookie in cookies)
    [noted] = [cookie for cookie in cookies if cookie.startswith("__agentshield_session=")]
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= {part.strip() for part in noted.split(";")}
    again = site("/", [("Cookie", noted.split(";")[0]), ("User-Agent", GPTBOT)]).json()
    assert "beh.session_carry" in {item["id"] for item in again["outcome"]["classification"]["evidence"]}


def test_a_refused_agent_gets_the_cookie_too(serve):
    answer = serve(on_agent_detected="block", session_tracking={"enabled": True, "encryption_key": SECRET})("/")
    assert answer.status == 403
    assert [cookie.split("=")[0] for cookie in answer.cookies] == ["__agentshield_session"]


def test_bytes_that_are_no_text_do_no_harm(serve):
    answer = serve()("/", [("User-Agent", b"caf\xe9/1 \xff"), ("X-Odd", b"\xff\xfe")])
    assert answer.status == 200


def test_hooks_are_told_and_do_not_delay_the_answer(serve):
    told_of, release = [], threading.Event()

    def slow(outcome):
        release.wait(5)
        told_of.append(outcome)

    site = serve(on_agent_detected="block", on_block=slow, on_detection=slow)
    start = time.monotonic()
    assert site("/").status == 403
    assert site("/", PERSON).status == 200
    assert time.monotonic() - start < 4 and told_of == []
    release.set()
    until(lambda: len(told_of) == 2)
    assert {outcome["classification"]["sub_type"] for outcome in told_of} == {"ai_training"}


def test_a_failure_of_the_guard_lets_pass_without_marks_of_the_client(serve, monkeypatch):
    class Broken:
        has_own_key = False

        def __init__(self, **options):
            pass

        def check(self, **request):
            raise quivive.InvalidInput("INVALID_INPUT", "broken")

        def set_policy(self, policy):
            pass

    monkeypatch.setattr(quivive._guard, "DetectionGuard", Broken)
    errors = []
    body = serve(on_error=errors.append)("/", [("X-AgentShield-Bot", "0"), ("X-AgentShield-Key", "k")]).json()
    assert body["marks"] == {"x-agentshield-key": "k"} and body["outcome"] is None
    until(lambda: errors)
    assert str(errors[0]) == "broken"
    answer = serve(fail_open=False)("/")
    assert (answer.status, answer.json()["code"]) == (503, "DETECTION_UNAVAILABLE")
    for options, passes in (
        ({"fail_open": True, "policy": {"fail_open": False}}, False),
        ({"fail_open": False, "policy": {"fail_open": True}}, True),
        ({"fail_open": None, "policy": {"fail_open": None}}, True),
        ({"policy": {"require": "signed"}}, False),
        ({"fail_open": True, "policy": {"require": "signed"}}, True),
    ):
        guard = quivive._guard.Guard(**options)
        assert (guard.check({"target": "/"}).response is None) == passes, options
        guard._take_policy({"failOpen": not passes})
        assert (guard.check({"target": "/"}).response is None) != passes, options


# Signatures made by a package that nobody here wrote.


class Keys(HTTPSignatureKeyResolver):
    def __init__(self, key):
        self.key = key

    def resolve_private_key(self, key_id):
        return self.key

    def resolve_public_key(self, key_id):
        return self.key.public_key()


def jwk_of(key):
    raw = key.public_key().public_bytes_raw()
    return {"kty": "OKP", "crv": "Ed25519", "x": base64.urlsafe_b64encode(raw).rstrip(b"=").decode()}


def signed(key, agent, port, path="/prices"):
    """The headers of a request that the PyPI package `http-message-signatures` has signed."""
    request = requests.Request("GET", f"http://127.0.0.1:{port}{path}", headers={"Signature-Agent": f'"{agent}"'})
    prepared = request.prepare()
    prepared.headers["Host"] = f"127.0.0.1:{port}"
    signer = HTTPMessageSigner(signature_algorithm=algorithms.ED25519, key_resolver=Keys(key))
    now = datetime.now(timezone.utc)
    signer.sign(
        prepared,
        key_id=quivive.thumbprint(jwk=jwk_of(key))["thumbprint"],
        created=now,
        expires=now + timedelta(minutes=2),
        nonce=os.urandom(16).hex(),
        tag="web-bot-auth",
        include_alg=False,
        covered_component_ids=("@authority", "@path", "signature-agent"),
    )
    return [(name, value) for name, value in prepared.headers.items() if name.lower() != "host"]


def port_of(site):
    return site.__closure__[0].cell_contents


def test_a_signature_by_another_package_is_verified_once_and_false_when_altered(serve):
    key = Ed25519PrivateKey.generate()
    site = serve(keys={"https://agent.example": [jwk_of(key)]})
    headers = signed(key, "https://agent.example", port_of(site))
    seen = site("/prices", headers).json()["outcome"]["classification"]
    assert (seen["verification"]["status"], seen["verification"]["method"]) == ("verified", "http_signature")
    assert site("/prices", headers).json()["outcome"]["classification"]["verification"]["status"] != "verified"
    altered = signed(key, "https://agent.example", port_of(site))
    seen = site("/other", altered).json()["outcome"]["classification"]
    assert (seen["verification"]["status"], seen["sub_type"]) == ("spoofed", "spoofed_identity")


class Directory(BaseHTTPRequestHandler):
    """An agent's origin."""

    def do_GET(self):
        self.server.asked.append(self.path)
        status, headers, content = self.server.answer
        time.sleep(self.server.delay)
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificate")
    file = folder / "localhost.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += ["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run([*command, "-keyout", folder / "key.pem", "-out", file], check=True, capture_output=True)
    file.write_bytes(file.read_bytes() + (folder / "key.pem").read_bytes())
    return str(file)


@pytest.fixture
def agent(certificate, monkeypatch):
    """An agent whose keys lie on a real https server, and which signs its requests."""
    monkeypatch.setenv("SSL_CERT_FILE", certificate)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Directory)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.key = Ed25519PrivateKey.generate()
    server.origin = f"https://localhost:{server.server_port}"
    server.asked, server.delay = [], 0
    server.answer = (200, {}, json.dumps({"keys": [jwk_of(server.key)]}).encode())
    server.sign = lambda site: signed(server.key, server.origin, port_of(site))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def status(site, headers):
    return site("/prices", headers).json()["outcome"]["classification"]["verification"]["status"]


def test_keys_are_fetched_for_the_next_request(serve, agent):
    site = serve(key_directories=[agent.origin])
    assert status(site, agent.sign(site)) == "claimed"
    until(lambda: status(site, agent.sign(site)) == "verified")
    assert agent.asked == ["/.well-known/http-message-signatures-directory"]


def test_a_request_waits_for_keys_where_a_signature_is_demanded(serve, agent):
    site = serve(key_directories=[agent.origin], policy={"require": "signed"})
    assert status(site, agent.sign(site)) == "verified"
    assert site("/prices").status == 403


def test_keys_of_an_origin_that_is_not_trusted_are_not_fetched(serve, agent):
    for trusted in (False, True):
        site = serve(key_directories=trusted, policy={"require": "signed"})
        assert site("/prices", agent.sign(site)).status == 403
    time.sleep(0.2)
    assert agent.asked == []


# What is one for all.


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        ((200, {}, b'{"keys": []}'), "no keys"),
        ((200, {}, b"nonsense"), ""),
        ((404, {}, b"{}"), "404"),
        ((302, {"Location": "/elsewhere"}, b""), "302"),
        ((200, {}, b'{"keys": [], "more": "' + b"a" * 65_536 + b'"}'), "64 KiB"),
        ((200, {"Content-Encoding": "gzip"}, b"{}"), "without a directory"),
    ],
)
def test_a_directory_that_is_none_is_an_error_and_not_asked_again_at_once(agent, answer, word):
    good, agent.answer = agent.answer, answer
    errors = []
    guard = quivive._guard.Guard(key_directories=[agent.origin], policy={"require": "signed"}, on_error=errors.append)
    port = agent.server_port
    for _ in range(3):
        assert guard.check({"target": "/prices", "headers": signed(agent.key, agent.origin, port)}).response is not None
        agent.answer = good
    until(lambda: errors)
    assert word in str(errors[0])
    assert len(agent.asked) == 1


def test_a_directory_is_asked_once_for_many_requests_at_the_same_time(agent):
    agent.delay = 0.3
    guard = quivive._guard.Guard(key_directories=[agent.origin], policy={"require": "signed"})
    courses = []

    def visit():
        lines = [*signed(agent.key, agent.origin, 80), ("Host", "127.0.0.1")]
        courses.append(guard.check({"target": "/prices", "scheme": "http", "headers": lines}))

    threads = [threading.Thread(target=visit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(agent.asked) == 1
    assert all(course.response is None for course in courses)


def test_a_slow_directory_is_given_up(agent, monkeypatch):
    monkeypatch.setattr(_directories, "_SECONDS", 0.2)
    agent.delay = 1
    errors = []
    guard = quivive._guard.Guard(key_directories=[agent.origin], on_error=errors.append)
    guard.check({"target": "/prices", "headers": signed(agent.key, agent.origin, 80)})
    until(lambda: errors)
    assert isinstance(errors[0], httpx.TimeoutException)


def test_a_request_does_not_wait_longer_for_keys_than_the_policy_says(agent):
    agent.delay = 2
    policy = {"require": "signed", "timeout_ms": 200}
    guard = quivive._guard.Guard(key_directories=[agent.origin], policy=policy)
    start = time.monotonic()
    course = guard.check({"target": "/prices", "headers": signed(agent.key, agent.origin, 80)})
    assert course.response["status"] == 403
    assert time.monotonic() - start < 1.5


def test_directories_are_renewed_when_they_are_due(agent, monkeypatch):
    monkeypatch.setattr(_directories, "_SHORTEST_LIFE", 0.0)
    monkeypatch.setattr(_directories, "_PAUSE", 0.0)
    guard = quivive._guard.Guard(key_directories=[agent.origin], policy={"require": "signed"})
    guard.check({"target": "/prices", "headers": signed(agent.key, agent.origin, 80)})
    until(lambda: guard.check({"target": "/"}) and len(agent.asked) >= 2)


def test_the_catalogued_agents_that_sign_are_trusted_with_their_keys():
    origins = quivive.DetectionGuard().signing_origins
    assert "https://chatgpt.com" in origins
    assert all(origin.startswith("https://") for origin in origins)


@pytest.mark.parametrize("origin", ["http://agent.example", "agent.example", "ftp://agent.example"])
def test_only_https_origins_can_be_trusted(origin):
    with pytest.raises(quivive.InvalidInput):
        quivive._guard.Guard(key_directories=[origin])


@pytest.mark.parametrize(
    "options",
    [{"on_agent_detectd": "block"}, {"on_agent_detected": "refuse"}, {"redirect_url": "x\r\ny"}, {"seed": "07" * 32}],
)
def test_a_wrong_option_is_refused_when_the_guard_is_made(options):
    with pytest.raises(quivive.InvalidInput):
        quivive.wsgi.DetectAgents(lambda environ, start: [], **options)


def test_more_header_lines_than_anybody_sends_are_looked_at_and_lose_their_marks():
    headers = [("A", "b")] * 2_000 + [("X-AgentShield-Bot", "0"), ("User-Agent", GPTBOT)]
    course = quivive._guard.Guard(fail_open=False).check({"target": "/", "headers": headers})
    assert course.response is None and course.remove == {"x-agentshield-bot"}
    assert course.outcome["classification"]["is_bot"]


def test_a_random_cookie_key_is_worth_a_warning_and_the_variable_of_earlier_packages_is_one(caplog, monkeypatch):
    with caplog.at_level(logging.WARNING, "quivive"):
        quivive._guard.Guard(session_tracking={"enabled": True})
        assert "no encryption key" in caplog.text
        caplog.clear()
        monkeypatch.setenv("AGENTSHIELD_SECRET", SECRET)
        first, second = (quivive._guard.Guard(session_tracking={"enabled": True}) for _ in range(2))
    assert caplog.text == ""
    visit = {"target": "/", "headers": [("User-Agent", GPTBOT)]}
    cookie = dict(first.check(visit).set_headers)["Set-Cookie"]
    again = second.check({**visit, "headers": [("User-Agent", GPTBOT), ("Cookie", cookie.split(";")[0])]})
    assert "beh.session_carry" in {item["id"] for item in again.outcome["classification"]["evidence"]}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_forked_process_has_a_seed_and_hooks_of_its_own(tmp_path):
    program = """
import os, sys
from quivive._guard import Guard
noted = []
guard = Guard(on_result=noted.append, count_requests=False)
request = {"target": "/", "now": 1_771_156_800_000}
guard.check(request)
def identity():
    return guard.check(request).outcome["detection_id"]
read, write = os.pipe()
if os.fork() == 0:
    del noted[:]
    own = identity()
    import time
    for _ in range(100):
        if noted: break
        time.sleep(0.02)
    os.write(write, f"{own} {len(noted)}".encode())
    os._exit(0)
os.wait()
child, count = os.read(read, 200).decode().split()
assert child != identity(), child
assert count == "1", count
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


@pytest.mark.parametrize("extensions", [{}, {"websocket.http.response": {}}])
def test_a_web_socket_is_guarded(extensions):
    async def app(scope, receive, send):
        assert scope["quivive"]["passes"]
        await send({"type": "websocket.accept"})

    async def visit(app, user_agent):
        sent = []

        async def receive():
            return {"type": "websocket.connect"}

        async def send(message):
            sent.append(message)

        scope = {"type": "websocket", "scheme": "ws", "path": "/talk", "query_string": b"", "client": ("127.0.0.1", 9)}
        scope |= {"headers": [(b"user-agent", user_agent.encode())], "extensions": extensions}
        await app(scope, receive, send)
        return sent

    tracking = {"enabled": True, "encryption_key": SECRET}
    refused = asyncio.run(visit(quivive.asgi.DetectAgents(app, on_agent_detected="block"), GPTBOT))
    if extensions:
        assert [message["type"] for message in refused] == [
            "websocket.http.response.start",
            "websocket.http.response.body",
        ]
        assert refused[0]["status"] == 403
    else:
        assert refused == [{"type": "websocket.close", "code": 1008}]
    [accepted] = asyncio.run(visit(quivive.asgi.DetectAgents(app, session_tracking=tracking), GPTBOT))
    assert accepted["type"] == "websocket.accept"
    assert accepted["headers"][0][0] == b"set-cookie"


def test_a_life_span_is_not_a_request():
    seen = []

    async def app(scope, receive, send):
        seen.append(scope)

    asyncio.run(quivive.asgi.DetectAgents(app)({"type": "lifespan"}, None, None))
    assert seen == [{"type": "lifespan"}]


def until(holds):
    end = time.monotonic() + 8
    while not holds():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.02)

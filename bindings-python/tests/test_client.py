"""The clients against a local site; each test runs with the synchronous and with the asynchronous one."""

import asyncio
import json
import threading

import httpx
import pytest

import quivive


class Blocking:
    """An `AsyncClient` behind the calls of a `Client`."""

    def __init__(self, *arguments, **options):
        self.loop = asyncio.new_event_loop()
        self.client = quivive.AsyncClient(*arguments, **options)

    def run(self, coroutine):
        return self.loop.run_until_complete(coroutine)

    def fetch(self, *arguments, **options):
        return self.run(self.client.fetch(*arguments, **options))

    def token(self):
        return self.run(self.client.botcha.token())

    def verdict(self, *arguments, **options):
        return self.run(self.client.botect.verdict(*arguments, **options))

    def detect(self, **options):
        return self.run(self.client.agentshield.detect(**options))

    def many_tokens(self, count):
        async def gather():
            return await asyncio.gather(*(self.client.botcha.token() for _ in range(count)))

        return self.run(gather())

    def close(self):
        self.run(self.client.close())
        self.loop.close()


class Plain:
    """A `Client` under the names of `Blocking`."""

    def __init__(self, *arguments, **options):
        self.client = quivive.Client(*arguments, **options)
        self.fetch, self.close = self.client.fetch, self.client.close
        self.token, self.verdict = self.client.botcha.token, self.client.botect.verdict
        self.detect = self.client.agentshield.detect

    def many_tokens(self, count):
        tokens = []
        threads = [threading.Thread(target=lambda: tokens.append(self.token())) for _ in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return tokens


@pytest.fixture(params=[Plain, Blocking], ids=["Client", "AsyncClient"])
def make(request):
    made = []

    def make(*arguments, **options):
        made.append(request.param(*arguments, **options))
        return made[-1]

    yield make
    for client in made:
        client.close()


def test_inline_challenge_is_solved_without_a_service(make, site):
    response = make().fetch(f"{site.url}/inline")
    assert (response.status_code, response.json()["welcome"]) == (200, True)
    assert len(site.asked_for("/inline")) == 2


def test_method_body_and_headers_are_sent_again(make, site):
    headers = {"X-Mine": "kept"}
    response = make().fetch(f"{site.url}/inline", method="POST", json={"order": 7}, headers=headers)
    assert response.json() == {"welcome": True, "body": {"order": 7}}
    assert [sent["X-Mine"] for sent in site.asked_for("/inline")] == ["kept", "kept"]
    assert headers == {"X-Mine": "kept"}


def test_token_is_fetched_when_asked_for_and_then_kept(make, site):
    client = make(site.url)
    assert client.fetch("/token").status_code == 200
    assert client.fetch("/token").status_code == 200
    sent = [headers.get("Authorization") for headers in site.asked_for("/token")]
    assert sent[0] is None and sent[1].startswith("Bearer ") and sent[2] == sent[1]
    assert len(sent) == 3
    assert len(site.asked_for("/v1/token/verify")) == 1


def test_service_may_come_from_the_environment(make, site, monkeypatch):
    monkeypatch.setenv("QUIVIVE_URL", site.url)
    assert make().fetch(f"{site.url}/token").status_code == 200


def test_token_near_its_end_is_refreshed(make, site):
    site.lifetime = 59
    client = make(site.url)
    assert client.token() != client.token()
    assert len(site.asked_for("/v1/token/verify")) == 1
    assert len(site.asked_for("/v1/token/refresh")) == 1


def test_failed_refresh_falls_back_to_a_new_challenge(make, site):
    site.lifetime = 59
    client = make(site.url)
    client.token()
    site.refreshable.clear()
    client.token()
    assert len(site.asked_for("/v1/token/refresh")) == 1
    assert len(site.asked_for("/v1/token/verify")) == 2


def test_refused_token_is_replaced_and_the_request_sent_again(make, site):
    client = make(site.url)
    site.revoked.add(client.token())
    assert client.fetch("/token").status_code == 200
    assert len(site.asked_for("/token")) == 2


def test_guard_that_refuses_every_token_is_asked_twice_only(make, site, other_site):
    response = make(site.url).fetch(f"{other_site.url}/token")
    assert response.status_code == 401
    assert len(other_site.asked_for("/token")) == 2


def test_unreachable_token_service_leaves_the_refusal(make, site):
    client = make("http://127.0.0.1:1")
    assert client.fetch(f"{site.url}/token").status_code == 401
    with pytest.raises(quivive.ConnectionFailed) as caught:
        client.token()
    assert caught.value.code == "CONNECTION_FAILED"


def test_token_is_shown_only_to_those_who_ask(make, site, other_site):
    other_site.asks_by_bearer = False
    client = make(site.url)
    client.token()
    client.fetch(f"{other_site.url}/token")
    assert [headers.get("Authorization") for headers in other_site.asked_for("/token")] == [None]


def test_given_list_of_origins_is_closed(make, site, other_site):
    client = make(site.url, token_origins=["https://shop.example"])
    client.token()
    assert client.fetch(f"{other_site.url}/token").status_code == 401
    assert [headers.get("Authorization") for headers in other_site.asked_for("/token")] == [None]


def test_listed_origin_is_shown_a_held_token_at_once(make, site, other_site):
    client = make(site.url, token_origins=[other_site.url])
    other_site.verifier = site.verifier
    client.token()
    assert client.fetch(f"{other_site.url}/token").status_code == 200
    assert len(other_site.asked_for("/token")) == 1


def test_own_authorization_is_left_alone(make, site):
    client = make(site.url)
    client.token()
    assert client.fetch("/token", headers={"Authorization": "Bearer mine"}).status_code == 401
    assert [headers["Authorization"] for headers in site.asked_for("/token")] == ["Bearer mine"]


def test_body_of_files_is_sent_once_only(make, site):
    response = make().fetch(f"{site.url}/inline", method="POST", files={"file": b"{}"})
    assert response.status_code == 403
    assert len(site.asked_for("/inline")) == 1


def test_concurrent_callers_share_one_renewal(make, site):
    site.delay = 0.1
    tokens = make(site.url).many_tokens(8)
    assert len(set(tokens)) == 1 and len(tokens) == 8
    assert len(site.asked_for("/v1/token/verify")) == 1


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"null", b'{"challenge":1}', b'{"challenge":{"id":"a\\r\\nb","problems":[1]}}', b"[" * 200_000],
    ids=["empty", "list", "null", "number", "header break", "deep"],
)
def test_malformed_challenge_leaves_the_refusal(body):
    response = httpx.Response(403, headers={"Content-Type": "application/json"}, content=body)
    with quivive.Client(transport=httpx.MockTransport(lambda request: response)) as client:
        assert client.fetch("https://shop.example/").status_code == 403


@pytest.mark.parametrize("status, body", [(200, b"[]"), (200, b"{}"), (200, b"<html>"), (302, b""), (500, b"{}")])
def test_malformed_token_answer_is_an_api_error(status, body):
    transport = httpx.MockTransport(lambda request: httpx.Response(status, content=body))
    with quivive.Client("https://door.example", transport=transport) as client:
        with pytest.raises(quivive.ApiError) as caught:
            client.botcha.token()
    assert caught.value.status == status
    assert caught.value.code == ("MALFORMED_ANSWER" if status == 200 else f"HTTP_{status}")


def test_code_of_the_service_is_the_code_of_the_error(make, site):
    client = make(site.url, api_key="wrong")
    with pytest.raises(quivive.ApiError) as caught:
        client.detect(user_agent="GPTBot")
    assert (caught.value.status, caught.value.code) == (401, "INVALID_API_KEY")


def test_verdict_carries_the_context(make, site):
    verdict = make(site.url, private_key="sk_test").verdict("known", path="/checkout", user_agent="x", logged_in=True)
    assert verdict["action"] == "allow" and "unavailable" not in verdict
    assert json.loads(verdict["reason"]) == {"path": "/checkout", "ua": "x", "logged_in": "1"}


@pytest.mark.parametrize("key", ["sk_wrong", "sk_test"])
def test_fault_of_the_service_gives_a_verdict_that_allows(make, site, key):
    session = "known" if key == "sk_wrong" else "../v1/token"
    verdict = make(site.url, private_key=key).verdict(session)
    assert (verdict["action"], verdict["verdict"], verdict["unavailable"]) == ("allow", "not_computed", True)


def test_detection_sends_the_facts(make, site):
    detection = make(site.url, api_key="as_test").detect(user_agent="GPTBot", ip="192.0.2.1")
    assert detection["isBot"] is True
    assert json.loads(detection["metadata"]["engine"]) == {"userAgent": "GPTBot", "ip": "192.0.2.1"}


def test_misspelt_context_is_refused(make, site):
    with pytest.raises(TypeError):
        make(site.url, private_key="sk_test").verdict("known", pth="/")


@pytest.mark.parametrize(
    "url", ["http://door.example", "https://user:secret@door.example", "https://door.example/?a=1", "ftp://x", "door"]
)
def test_unsafe_service_is_refused(make, url):
    with pytest.raises(quivive.InvalidInput):
        make(url)


def test_calls_that_need_an_option_say_so(make, site):
    with pytest.raises(quivive.InvalidInput, match="QUIVIVE_URL"):
        make().token()
    with pytest.raises(quivive.InvalidInput, match="private_key"):
        make(site.url).verdict("known")
    with pytest.raises(quivive.InvalidInput, match="api_key"):
        make(site.url).detect(user_agent="x")


def test_redirect_to_another_origin_loses_the_token(make, site):
    seen = []

    def answer(request):
        seen.append((request.url.host, request.headers.get("Authorization")))
        if request.url.host == "door.example":
            return httpx.Response(302, headers={"Location": "https://elsewhere.example/"})
        return httpx.Response(401, headers={"WWW-Authenticate": "Bearer"})

    with quivive.Client("https://door.example", transport=httpx.MockTransport(answer)) as client:
        client._engine.tokens.keep({"access_token": "secret"})
        assert client.fetch("https://door.example/").status_code == 401
    assert seen == [("door.example", "Bearer secret"), ("elsewhere.example", None)]


def test_token_never_travels_in_clear_text():
    seen = []

    def answer(request):
        seen.append(request.headers.get("Authorization"))
        return httpx.Response(401, headers={"WWW-Authenticate": "Bearer"})

    with quivive.Client("https://door.example", transport=httpx.MockTransport(answer)) as client:
        client._engine.tokens.keep({"access_token": "secret"})
        client.fetch("http://door.example/")
    assert seen == [None]

"""The clients against a local site; each test runs with the synchronous and with the asynchronous one."""

import asyncio
import gzip
import json
import threading
import time

import httpx
import pytest

import quivive
from quivive._answers import Workers


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

    def prove(self, answer):
        async def answer_later(question):
            return answer(question)

        return self.run(self.client.botcha.prove(answer_later))

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
        self.prove = self.client.botcha.prove
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


def test_agent_proves_itself_with_the_answers_of_its_model(make, site):
    client, asked = make(site.url, app_id="app_1"), []

    def model(question):
        asked.append(question)
        return site.right_answer(question)

    token = client.prove(model)
    assert len(asked) == 3 and all(set(question) == {"id", "question", "category"} for question in asked)
    assert client.token() == token and site.is_valid(token)
    assert client.fetch("/token").status_code == 200
    assert site.asked_for("/v1/token") == []


def test_wrong_answers_prove_nothing(make, site):
    client = make(site.url)
    with pytest.raises(quivive.ApiError) as caught:
        client.prove(lambda question: "no idea")
    assert (caught.value.code, caught.value.status) == ("CHALLENGE_FAILED", 200)
    assert caught.value.body["message"] == "❌ Failed: Failed: reasoning"
    assert site.refreshable == set()


def test_model_is_not_asked_before_the_speed_part_is_passed(make, site):
    client, asked = make(site.url), []

    def model(question):
        asked.append(question["id"])
        return site.right_answer(question)

    site.fails_speed = 2
    with pytest.raises(quivive.ApiError) as caught:
        client.prove(model)
    assert (caught.value.code, asked) == ("CHALLENGE_FAILED", [])
    site.fails_speed = 1
    assert site.is_valid(client.prove(model))
    assert len(asked) == 3


def test_failure_of_the_model_reaches_the_caller(make, site):
    def model(question):
        raise LookupError("out of words")

    with pytest.raises(LookupError, match="out of words"):
        make(site.url).prove(model)


def test_questions_are_answered_at_the_same_time(site):
    everyone = threading.Barrier(3)

    def model(question):
        everyone.wait(timeout=20)
        return site.right_answer(question)

    with quivive.Client(site.url) as client:
        assert site.is_valid(client.botcha.prove(model))

    async def prove():
        met, left = asyncio.Event(), [3]

        async def model(question):
            left[0] -= 1
            if left[0] == 0:
                met.set()
            await asyncio.wait_for(met.wait(), 20)
            return site.right_answer(question)

        async with quivive.AsyncClient(site.url) as client:
            return await client.botcha.prove(model)

    assert site.is_valid(asyncio.run(prove()))


def test_unreadable_hybrid_challenge_is_refused(make, site):
    site.new_hybrid = lambda: {"id": "x", "speed": {"problems": [1]}, "reasoning": {"questions": [{"id": 1}]}}
    with pytest.raises(quivive.ApiError) as caught:
        make(site.url).prove(lambda question: "x")
    assert caught.value.code == "MALFORMED_ANSWER"


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


VERDICT = {"verdict": "likely_automated", "score": 15, "action": "block", "detection_ids": [50331649], "reason": "Bot."}


def test_verdict_is_handed_on_without_further_members(make, site):
    client = make(site.url, private_key="sk_test")
    for band in ["definite", "confident_automated", "likely_automated", "likely_human", "verified"]:
        site.verdict = {**VERDICT, "verdict": band, "later": 1, "unavailable": True}
        assert client.verdict("known") == {**VERDICT, "verdict": band}
    for action in ["allow", "challenge", "block", "log", "delay"]:
        site.verdict = {**VERDICT, "action": action}
        assert client.verdict("known") == site.verdict


def test_answers_that_cannot_be_verdicts_allow(make, site):
    client = make(site.url, private_key="sk_test")
    changes = {
        "verdict": ["bot", None, 1, ["definite"]],
        "score": [100, 15.5, 15.0, "15", -1, None, True],
        "action": ["redirect", "BLOCK", None, ["block"]],
        "detection_ids": [["a"], [1.5], [2**31], [True], {}, None],
        "reason": [None, 1, ["x"]],
    }
    changed = [{**VERDICT, name: value} for name, values in changes.items() for value in values]
    for answer in [{"action": "block"}, [], "block", *changed]:
        site.verdict = answer
        verdict = client.verdict("known")
        assert (verdict["action"], verdict.get("unavailable")) == ("allow", True), answer


@pytest.mark.parametrize(
    "band, score, action", [("not_computed", 50, "allow"), ("definite", 0, "allow"), ("verified", 0, "block")]
)
def test_without_evidence_nobody_is_refused(make, site, band, score, action):
    site.verdict = {**VERDICT, "verdict": band, "score": score}
    verdict = make(site.url, private_key="sk_test").verdict("known")
    assert verdict == {**VERDICT, "verdict": band, "score": score, "action": action}


def test_what_cannot_be_a_session_token_is_not_sent(make, site):
    client = make(site.url, private_key="sk_test")
    for session in ["", ".", "..", "a/b", "a%2Fb", "known\n", "k\u00e9", "\ud800", "a" * 129, None, b"known"]:
        verdict = client.verdict(session)
        assert (verdict["action"], verdict["unavailable"]) == ("allow", True)
    assert site.asked == []
    client.verdict("a" * 126 + "_-")
    assert len(site.asked) == 1


def test_only_the_beginning_of_a_large_answer_is_read(make, site):
    client = make(site.url, private_key="sk_test")
    room = 262_144 - len(json.dumps({**VERDICT, "reason": ""}))
    site.verdict = {**VERDICT, "reason": "x" * room}
    assert client.verdict("known")["action"] == "block"
    site.verdict = {**VERDICT, "reason": "x" * (room + 1)}
    assert client.verdict("known")["unavailable"] is True


def test_compressed_answer_is_not_unpacked():
    headers = {"Content-Encoding": "gzip"}
    body = gzip.compress(json.dumps(VERDICT).encode())
    seen = []

    def answer(request):
        seen.append(request.headers["Accept-Encoding"])
        return httpx.Response(200, headers=headers, content=body)

    with quivive.Client("https://door.example", private_key="sk_test", transport=httpx.MockTransport(answer)) as client:
        assert client.botect.verdict("known")["unavailable"] is True
    assert seen == ["identity"]


@pytest.mark.parametrize(
    "start",
    [
        b"HTTP/1.1 200 OK\r\nX-Slow: ",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
    ],
    ids=["header", "body"],
)
def test_nobody_waits_for_an_answer_that_comes_byte_by_byte(make, site, start):
    site.drips = start
    client = make(site.url, private_key="sk_test", api_key="as_test", timeout=0.5)
    began = time.monotonic()
    assert client.verdict("known")["unavailable"] is True
    for call in [lambda: client.detect(user_agent="GPTBot"), client.token]:
        with pytest.raises(quivive.ConnectionFailed, match="no answer in time"):
            call()
    assert 1.7 < time.monotonic() - began < 4.5


def test_calls_that_hang_do_not_pile_up():
    workers, release = Workers(), threading.Event()
    for _ in range(32):
        with pytest.raises(quivive.ConnectionFailed, match="no answer in time"):
            workers.run(0.001, release.wait)
    with pytest.raises(quivive.ConnectionFailed, match="too many"):
        workers.run(1.0, lambda: 7)
    release.set()
    time.sleep(0.2)
    assert workers.run(5.0, lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        workers.run(5.0, lambda: 1 // 0)


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

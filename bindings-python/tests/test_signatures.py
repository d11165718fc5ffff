import pytest

import quivive

NOW = 1_795_000_000_000
AGENT = "https://agent.example"
# RFC 8032 section 7.1, test 1.
KEY = {
    "kty": "OKP",
    "crv": "Ed25519",
    "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
    "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
}
PUBLIC = {name: KEY[name] for name in ("kty", "crv", "x")}
REQUEST = {"method": "GET", "url": "https://shop.example/cart?id=5", "headers": {}}


def signed():
    headers = quivive.sign_http_request(request=REQUEST, key=KEY, signature_agent=AGENT, now=NOW)["headers"]
    return {**REQUEST, "headers": headers}


def test_a_signed_request_is_verified_and_a_changed_one_is_not():
    verifier = quivive.SignatureVerifier(directories={AGENT: [PUBLIC]}, policy={"allow_test_keys": True})
    found = verifier.verify(signed(), NOW)
    assert found["summary"]["status"] == "verified"
    assert found["signatures"][0]["signature_agent"] == AGENT
    changed = verifier.verify({**signed(), "method": "DELETE"}, NOW)
    assert changed["signatures"][0]["reason"] == "signature_mismatch"
    assert verifier.verify(signed())["signatures"][0]["outcome"] == "invalid", "by the present clock"
    assert verifier.verify(REQUEST) == {"signatures": []}


def test_the_summary_is_what_classification_takes():
    verifier = quivive.SignatureVerifier(directories={AGENT: [PUBLIC]}, policy={"allow_test_keys": True})
    signature = verifier.verify(signed(), NOW)["summary"]
    classified = quivive.Classifier().classify(user_agent="Mozilla/5.0", signature=signature, now=NOW)
    assert classified["verification"]["method"] == "http_signature"


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda: quivive.SignatureVerifier(keys=[KEY]), "INVALID_KEY"),
        (lambda: quivive.SignatureVerifier(directories={"http://agent.example": []}), "INVALID_INPUT"),
        (lambda: quivive.SignatureVerifier(key=[]), "INVALID_INPUT"),
        (lambda: quivive.SignatureVerifier().verify({"headers": []}), "INVALID_INPUT"),
        (lambda: quivive.SignatureVerifier().verify({"headers": {"a": ["b"] * 1001}}), "LIMIT_EXCEEDED"),
    ],
)
def test_wrong_arguments_are_coded_errors(call, code):
    with pytest.raises(quivive.QuiviveError) as caught:
        call()
    assert caught.value.code == code

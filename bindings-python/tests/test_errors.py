"""One error of every class, with its code, class and name."""

import copy
import pickle

import pytest

import quivive

NOW = 1_771_156_800_000
KEY = quivive.generate_key(seed="07" * 32, kid="door-1")
KEYS = quivive.public_keys(keys=[KEY])
CLAIMS = {"type": "botcha-verified", "iss": "botcha.ai", "exp": NOW // 1000 + 60, "aud": "shop"}
TOKEN = quivive.sign_token(claims=CLAIMS, key=KEY)["token"]
OTHER = quivive.public_keys(keys=[quivive.generate_key(seed="08" * 32, kid="door-1")])

CASES = {
    "InvalidInput": ("INVALID_TOKEN", {"token": "not a token", "keys": KEYS, "now": NOW}),
    "VerificationFailed": ("SIGNATURE_MISMATCH", {"token": TOKEN, "keys": OTHER, "now": NOW}),
    "Expired": ("TOKEN_EXPIRED", {"token": TOKEN, "keys": KEYS, "now": NOW + 60_000}),
    "Denied": ("AUDIENCE_MISMATCH", {"token": TOKEN, "keys": KEYS, "audience": "bank", "now": NOW}),
    "Unsupported": ("UNSUPPORTED_ALGORITHM", {"token": TOKEN, "secret": "s" * 32, "now": NOW}),
}


@pytest.mark.parametrize("name", CASES)
def test_each_class(name):
    code, arguments = CASES[name]
    with pytest.raises(quivive.QuiviveError) as caught:
        quivive.verify_token(**arguments)
    error = caught.value
    assert type(error) is getattr(quivive, name)
    assert (error.code, str(error)) == (code, error.message)
    assert isinstance(error.details, dict) and error.message


def test_handle_raises_as_the_function_does():
    verifier = quivive.Verifier(keys=KEYS)
    assert verifier.verify(TOKEN, NOW)["aud"] == "shop"
    with pytest.raises(quivive.Expired):
        verifier.verify(TOKEN)
    with pytest.raises(quivive.InvalidInput):
        quivive.Verifier()


def test_classes_are_also_those_of_python():
    assert issubclass(quivive.InvalidInput, ValueError)
    assert issubclass(quivive.Unsupported, NotImplementedError)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"token": TOKEN},
        {"token": 7, "keys": KEYS, "now": NOW},
        {"token": TOKEN, "keys": KEYS, "now": True},
        {"token": TOKEN, "keys": KEYS, "now": NOW + 0.5},
        {"token": TOKEN, "keys": KEYS, "nw": NOW},
        {"token": TOKEN, "keys": object(), "now": NOW},
    ],
    ids=["nothing", "member missing", "number as text", "boolean as number", "fraction", "misspelt", "object"],
)
def test_unreadable_input_has_a_code(arguments):
    with pytest.raises(quivive.InvalidInput) as caught:
        quivive.verify_token(**arguments)
    assert caught.value.code == "INVALID_INPUT"


def test_value_that_holds_itself_is_refused():
    loop = {}
    loop["challenge"] = loop
    with pytest.raises(quivive.InvalidInput) as caught:
        quivive.solve_inline_challenge(body=loop)
    assert caught.value.code == "INVALID_INPUT"


@pytest.mark.parametrize(
    "error",
    [quivive.Denied("CODE", "text", {"a": 1}), quivive.ApiError(403, "CODE", {}), quivive.ConnectionFailed("gone")],
    ids=lambda error: type(error).__name__,
)
def test_errors_can_be_copied_and_pickled(error):
    for again in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert (type(again), again.code, str(again)) == (type(error), error.code, str(error))

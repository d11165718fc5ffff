"""The rule set: prepared once, asked often."""

import pytest

import quivive

GUARD = {"name": "Guard checkout", "expression": 'score < 40 AND path == "/checkout"', "action": "challenge"}
NOTE = {"name": "Note", "expression": "NOT js_detection.passed", "action": "log"}


def test_matches_come_in_the_order_of_the_rules():
    rules = quivive.RuleSet(rules=[NOTE, GUARD])
    assert rules.matches(score=12, path="/checkout", js_detection={"passed": False}) == [
        {"name": "Note", "action": "log"},
        {"name": "Guard checkout", "action": "challenge"},
    ]
    assert rules.matches(score=12) == []
    assert rules.matches() == []


def test_a_wrong_rule_is_refused_with_its_place_and_the_place_of_its_fault():
    with pytest.raises(quivive.InvalidInput) as caught:
        quivive.RuleSet(rules=[NOTE, {**GUARD, "expression": "verified_bot AND scorre < 4"}])
    assert str(caught.value) == 'Unknown field "scorre" in rule expression.'
    assert caught.value.details == {"rule": 1, "position": 17, "token": "scorre", "hint": "did you mean score?"}


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda: quivive.RuleSet(rules=[NOTE] * 101), "LIMIT_EXCEEDED"),
        (lambda: quivive.RuleSet(rule=[]), "INVALID_INPUT"),
        (lambda: quivive.RuleSet(rules=[]).matches(scorre=1), "INVALID_INPUT"),
        (lambda: quivive.RuleSet(rules=[]).matches(ip="nonsense"), "INVALID_INPUT"),
        (lambda: quivive.RuleSet(rules=[]).matches(score="1"), "INVALID_INPUT"),
    ],
)
def test_wrong_arguments_are_coded_errors(call, code):
    with pytest.raises(quivive.QuiviveError) as caught:
        call()
    assert caught.value.code == code

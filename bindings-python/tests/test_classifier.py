"""The classifier: made ready once, asked often."""

import json
from pathlib import Path

import pytest

import quivive

VECTORS = Path(__file__).parents[2] / "tests" / "vectors" / "agent" / "classify_request.json"
CASES = [case["input"] for case in json.loads(VECTORS.read_text("utf-8"))["cases"] if "error" not in case]


def test_it_answers_as_the_function_does():
    classifier = quivive.Classifier()
    for facts in CASES:
        assert classifier.classify(**facts) == quivive.classify_request(**facts)


def test_the_short_question_has_the_answer_of_the_whole_classification():
    classifier = quivive.Classifier()
    answers = set()
    for user_agent in {facts["user_agent"] for facts in CASES if "user_agent" in facts} | {"", "\x00", "é"}:
        is_bot = classifier.is_bot(user_agent)
        assert is_bot is classifier.classify(user_agent=user_agent, now=0)["is_bot"]
        answers.add(is_bot)
    assert answers == {True, False}


def test_a_user_agent_is_a_text():
    with pytest.raises(TypeError):
        quivive.Classifier().is_bot(7)

"""The shared vectors, run through the installed package; no function is known here by name."""

import json
import math
from pathlib import Path

import pytest

import quivive

VECTORS = Path(__file__).parents[2] / "tests" / "vectors"
FILES = [json.loads(path.read_text("utf-8")) for path in sorted(VECTORS.glob("*/*.json"))]
CASES = [
    pytest.param(file["function"], case, id=f"{file['function']}: {case['name']}")
    for file in FILES
    if "function" in file
    for case in file["cases"]
]


@pytest.mark.parametrize(("function", "case"), CASES)
def test_vector(function, case):
    call = getattr(quivive, function)
    if "error" in case:
        with pytest.raises(quivive.QuiviveError) as caught:
            call(**case["input"])
        assert caught.value.code == case["error"]
    elif "output_matches" in case:
        assert_matches(call(**case["input"]), case["output_matches"], "output", is_subset=True)
    else:
        assert_matches(call(**case["input"]), case["output"], "output", is_subset=False)


def test_every_function_has_vectors():
    functions = {name for name in quivive._native.__all__ if callable(getattr(quivive, name)) and name[0].islower()}
    assert functions
    assert functions == {param.values[0] for param in CASES}


def assert_matches(actual, expected, path, *, is_subset):
    """Deep equality, with 1e-9 for numbers that are not integers; a subset may leave members out."""
    if isinstance(expected, dict):
        assert isinstance(actual, dict), path
        missing = expected.keys() - actual.keys()
        extra = set() if is_subset else actual.keys() - expected.keys()
        assert not missing and not extra, f"{path}: missing {missing}, not expected {extra}"
        for name, value in expected.items():
            assert_matches(actual[name], value, f"{path}.{name}", is_subset=is_subset)
    elif isinstance(expected, list):
        assert isinstance(actual, (list, tuple)), path
        assert len(actual) == len(expected), path
        for index, value in enumerate(expected):
            assert_matches(actual[index], value, f"{path}[{index}]", is_subset=is_subset)
    elif isinstance(expected, float) or (isinstance(actual, float) and not isinstance(expected, bool)):
        assert isinstance(actual, (int, float)) and not isinstance(actual, bool), path
        assert math.isclose(actual, expected, rel_tol=0, abs_tol=1e-9), f"{path}: {actual} is not {expected}"
    else:
        assert type(actual) is type(expected) and actual == expected, f"{path}: {actual!r} is not {expected!r}"

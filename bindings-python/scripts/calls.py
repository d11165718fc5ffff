"""Writes a program that calls every function once, with the first vector that succeeds, for type checkers:
`python calls.py <folder of vectors> <file>`.
"""

import json
import sys
from pathlib import Path


def main() -> None:
    files = [json.loads(path.read_text("utf-8")) for path in sorted(Path(sys.argv[1]).glob("*/*.json"))]
    lines = ["import quivive"]
    for file in files:
        if "function" in file:
            case = next(case for case in file["cases"] if "error" not in case)
            arguments = ", ".join(f"{name}={typed(value)!r}" for name, value in case["input"].items())
            lines.append(f"quivive.{file['function']}({arguments})")
    Path(sys.argv[2]).write_text("\n".join(lines) + "\n", "utf-8")


def typed(value: object) -> object:
    """The value as its declared type wants it: JSON has no tuples, so pairs of texts come as lists."""
    if isinstance(value, dict):
        return {name: typed(member) for name, member in value.items()}
    if isinstance(value, list):
        return [tuple(item) if is_pair(item) else typed(item) for item in value]
    return value


def is_pair(item: object) -> bool:
    return isinstance(item, list) and len(item) == 2 and all(isinstance(text, str) for text in item)


main()

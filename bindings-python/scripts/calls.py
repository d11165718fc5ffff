"""Writes a program that makes the ordinary calls of the shared vectors, for type checkers: `calls.py <vectors> <file>`."""

import json
import sys
from pathlib import Path


def main() -> None:
    files = [json.loads(path.read_text("utf-8")) for path in sorted(Path(sys.argv[1]).glob("*/*.json"))]
    lines = ["import quivive"]
    for file in files:
        for case in file.get("cases", []):
            if "error" not in case and {"ordinary", "published"} & set(case["flags"]):
                arguments = ", ".join(f"{name}={value!r}" for name, value in case["input"].items())
                lines.append(f"quivive.{file['function']}({arguments})")
    Path(sys.argv[2]).write_text("\n".join(lines) + "\n", "utf-8")


main()

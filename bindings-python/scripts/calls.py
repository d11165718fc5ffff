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
            arguments = ", ".join(f"{name}={value!r}" for name, value in case["input"].items())
            lines.append(f"quivive.{file['function']}({arguments})")
    Path(sys.argv[2]).write_text("\n".join(lines) + "\n", "utf-8")


main()

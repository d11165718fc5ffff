"""Classification of user agents: Quivive's handle beside PyPI packages, in turns, in one process. Prints one JSON line:
microseconds per user agent.

The packages answer one question, whether a user agent is a crawler's; each without a cache of its answers.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import crawleruseragents
import quivive
from ua_parser import Parser
from ua_parser.loaders import load_builtins
from ua_parser.regex import Resolver

ROUNDS = 5
PASSES = 4


def main() -> None:
    texts = Path(sys.argv[1]).read_text(encoding="utf-8").strip().split("\n")
    classifier = quivive.Classifier()
    parser = Parser(Resolver(load_builtins()))
    now = int(time.time() * 1000)

    def is_spider(text: str) -> bool:
        device = parser.parse_device(text)
        return device is not None and device.family == "Spider"

    contenders: dict[str, Callable[[str], bool]] = {
        "quivive": classifier.is_bot,
        "quivive, everything": lambda text: classifier.classify(user_agent=text, now=now)["is_bot"],
        "ua-parser": is_spider,
        "crawler-user-agents": crawleruseragents.is_crawler,
    }
    best = dict.fromkeys(contenders, float("inf"))
    for _ in range(ROUNDS):
        for name, call in contenders.items():
            begun = time.perf_counter()
            for _ in range(PASSES):
                for text in texts:
                    call(text)
            best[name] = min(best[name], (time.perf_counter() - begun) / (PASSES * len(texts)) * 1e6)
    print(json.dumps(best))


if __name__ == "__main__":
    main()

"""Checks every operation of a running server against its own OpenAPI document, with all checks of schemathesis.

Usage: check.py [OPTIONS OF SCHEMATHESIS...]; QUIVIVE_URL names the server. Signs up an app of its own first, so that requests carry tokens that
hold.
"""

import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import urllib.request

FOLDER = pathlib.Path(__file__).parent


def main() -> int:
    url, options = os.environ["QUIVIVE_URL"], sys.argv[1:]
    app = sign_up(url)
    environment = {**os.environ, "TOKEN": token(url, app)}
    program = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(FOLDER / "schemathesis.toml")]
    command = [*program, "run", f"{url}/-/openapi.json", "--checks", "all", "--phases", "examples,coverage,fuzzing"]
    # Events come at once; the rest of a stream is waiting.
    command += ["--request-timeout", "5"]
    return subprocess.run([*command, *options], env=environment).returncode


def sign_up(url: str) -> str:
    """Registers an app, proves its address with the code that the development server shows, and names the app."""
    made = call(f"{url}/v1/apps", {"email": "checker@example.com", "name": "API checker"})
    mails = json.dumps(call(f"{url}/-/mail"))
    code = re.search(r"\b\d{6}\b", mails)
    if code is None:
        raise SystemExit("the development server shows no code")
    call(f"{url}/v1/apps/{made['app_id']}/verify-email", {"code": code.group()})
    return str(made["app_id"])


def token(url: str, app: str) -> str:
    """An access token of the app, for a solved challenge."""
    challenge = call(f"{url}/v1/token?app_id={app}")["challenge"]
    answers = [hashlib.sha256(str(problem["num"]).encode()).hexdigest()[:8] for problem in challenge["problems"]]
    return str(call(f"{url}/v1/token/verify", {"id": challenge["id"], "answers": answers})["access_token"])


def call(url: str, body: object = None) -> dict:
    headers = {"Accept": "application/json", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data, headers)) as answer:
        return json.load(answer)


if __name__ == "__main__":
    sys.exit(main())

"""An agent that signs with the PyPI package http-message-signatures, before a server and before guards.

    signer.py FOLDER PORT SERVER KEY GUARD...

`FOLDER` holds `server.pem`, certificate and key of localhost, and `agent.pem`, an Ed25519 key. The agent publishes that
key at https://localhost:PORT. `SERVER` classifies with the API key `KEY`; each `GUARD` lets signed requests in.
"""

import base64
import hashlib
import json
import os
import ssl
import sys
import threading
import time
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import requests
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from http_message_signatures import HTTPMessageSigner, HTTPSignatureKeyResolver, algorithms

FOLDER, PORT, SERVER, API_KEY, *GUARDS = sys.argv[1:]
ORIGIN = f"https://localhost:{PORT}"
BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
SESSION = requests.Session()


def private_key():
    with open(os.path.join(FOLDER, "agent.pem"), "rb") as file:
        return load_pem_private_key(file.read(), None)


AGENT = private_key()
PUBLIC = base64.urlsafe_b64encode(AGENT.public_key().public_bytes_raw()).rstrip(b"=").decode()
JWK = {"crv": "Ed25519", "kty": "OKP", "x": PUBLIC}


def thumbprint():
    canonical = json.dumps(JWK, sort_keys=True, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(hashlib.sha256(canonical).digest()).rstrip(b"=").decode()


class Keys(HTTPSignatureKeyResolver):
    def resolve_private_key(self, key_id):
        return AGENT

    def resolve_public_key(self, key_id):
        return AGENT.public_key()


class Directory(BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"keys": [JWK]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/http-message-signatures-directory+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


def publish():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.join(FOLDER, "server.pem"))
    server = ThreadingHTTPServer(("127.0.0.1", int(PORT)), Directory)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def signed(url):
    """A prepared request that the package has signed."""
    headers = {"Signature-Agent": f'"{ORIGIN}"', "User-Agent": BROWSER}
    prepared = requests.Request("GET", url, headers=headers).prepare()
    now = datetime.now(timezone.utc)
    signer = HTTPMessageSigner(signature_algorithm=algorithms.ED25519, key_resolver=Keys())
    signer.sign(
        prepared,
        key_id=thumbprint(),
        created=now,
        expires=now + timedelta(minutes=2),
        nonce=os.urandom(32).hex(),
        tag="web-bot-auth",
        include_alg=False,
        covered_component_ids=("@method", "@authority", "@path", "signature-agent"),
    )
    return prepared


def check(what, found, expected):
    if found != expected:
        sys.exit(f"{what}: {found!r} instead of {expected!r}")


def before_guard(url):
    page = f"{url}/for-signers"
    request = signed(page)
    answer = SESSION.send(request)
    check(f"{page}, signed", (answer.status_code, answer.text), (200, f"Hello, {ORIGIN}.\n"))
    check(f"{page}, sent again", SESSION.send(request).status_code, 403)
    altered = signed(f"{url}/")
    altered.url = page
    answer = SESSION.send(altered)
    check(f"{page}, altered", (answer.status_code, answer.json()["reason"]), (403, "invalid_signature"))
    check(f"{page}, not signed", requests.get(page, headers={"User-Agent": BROWSER}).status_code, 403)


def ask(route, request, **changes):
    """What the server says about a request that a site got."""
    facts = {"url": request.url, "method": request.method, "headers": dict(request.headers), **changes}
    answer = SESSION.post(f"{SERVER}{route}", json=facts, headers={"X-AgentShield-Key": API_KEY})
    check(route, answer.status_code, 200)
    return answer.json()


def detected(request, **changes):
    extended = ask("/api/v1/detect?include=verification,class", request, **changes)["extended"]
    verification = extended["verification"]
    return verification["status"], verification["method"], extended["class"]["subType"]


def enforced(request, **changes):
    data = ask("/api/v1/enforce", request, options={"includeDetectionResult": True}, **changes)["data"]
    return data["decision"]["metadata"]["signatureVerified"], data["detection"]["verificationMethod"]


def before_server():
    page = "https://shop.example/prices"
    # The keys are fetched beside the first request.
    begun = time.monotonic()
    while detected(signed(page))[0] != "verified" and time.monotonic() - begun < 10:
        time.sleep(0.05)
    request = signed(page)
    check("detect, signed", detected(request)[:2], ("verified", "http_signature"))
    check("detect, sent again", detected(request), ("spoofed", "http_signature", "spoofed_identity"))
    altered = detected(signed(page), url="https://shop.example/other")
    check("detect, altered", altered, ("spoofed", "http_signature", "spoofed_identity"))
    request = signed(page)
    check("enforce, signed", enforced(request), (True, "signature"))
    check("enforce, sent again", enforced(request)[0], False)
    check("enforce, altered", enforced(signed(page), method="POST")[0], False)


publish()
before_server()
for guard in GUARDS:
    before_guard(guard)

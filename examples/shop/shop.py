"""A shop that asks at the checkout who is there."""

import os
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import quivive

SERVICE, SITE_KEY = os.environ["QUIVIVE_URL"], os.environ["SITE_KEY"]
TAG = f'<script data-botect-sdk src="{SERVICE}/v1/sdk.js" data-site-key="{SITE_KEY}" async></script>'
PAGE = f'<!doctype html><title>Tea</title>{TAG}<form method="post" action="/checkout"><button>Buy tea</button></form>'
botect = quivive.Client(SERVICE, private_key=os.environ["PRIVATE_KEY"]).botect


class Shop(BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(200, PAGE)

    def do_POST(self):
        session = SimpleCookie(self.headers["Cookie"]).get("botect_session")
        verdict = botect.verdict(session.value if session else "", path=self.path)
        if verdict["action"] == "block":
            self.answer(403, verdict["reason"])
        else:
            self.answer(200, "Thank you for your order.")

    def answer(self, status, text):
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(f"{text}\n".encode())


ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Shop).serve_forever()

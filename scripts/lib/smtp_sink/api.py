"""The REST API, in the spirit of Mailpit's, and the page.

    GET    /livez                                200 once mails are taken
    GET    /api/v1/messages?start=0&limit=50     newest first: {total, start, count, messages: [...]}
    GET    /api/v1/message/ID                    one mail with Text, HTML and Raw
    GET    /api/v1/message/ID/raw                its source
    GET    /api/v1/counts                        {messages, distinct_message_ids, duplicates: [...]}
    DELETE /api/v1/messages                      forgets all
    GET, PUT /api/v1/behaviour                   scripted faults: behaviour.py
    GET    /   /view/ID   /view/ID.html          for people
"""

import json
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from smtp_sink import page
from smtp_sink.behaviour import Behaviour
from smtp_sink.store import Store
from smtp_sink.view import part, summary, whole


class Api(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    store: Store
    behaviour: Behaviour

    def do_GET(self):
        try:
            self.show(urlsplit(self.path))
        except ValueError as error:  # a start or limit that is no number
            self.refuse(HTTPStatus.BAD_REQUEST, str(error))

    def show(self, url):
        match url.path.strip("/").split("/"):
            case ["livez"]:
                self.answer("ok", "text/plain")
            case ["api", "v1", "messages"]:
                self.answer(self.messages(parse_qs(url.query)))
            case ["api", "v1", "counts"]:
                self.answer(self.store.counts())
            case ["api", "v1", "behaviour"]:
                self.answer(self.behaviour.get())
            case ["api", "v1", "message", mail_id]:
                self.answer_mail(mail_id, lambda mail: self.answer(whole(mail)))
            case ["api", "v1", "message", mail_id, "raw"]:
                self.answer_mail(mail_id, lambda mail: self.answer(mail["raw"].encode("latin-1"), "message/rfc822"))
            case ["view", name] if name.endswith(".html"):
                self.answer_mail(name[:-5], lambda mail: self.answer(part(mail, "html"), "text/html", sandbox=True))
            case ["view", mail_id]:
                self.answer_mail(mail_id, lambda mail: self.answer(page.mail(whole(mail)), "text/html"))
            case [""]:
                latest = [summary(mail) for mail in self.store.newest(0, 100)]
                self.answer(page.index(latest, self.store.counts()), "text/html")
            case _:
                self.refuse(HTTPStatus.NOT_FOUND, f"nothing at {url.path}")

    def do_PUT(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path != "/api/v1/behaviour":
            return self.refuse(HTTPStatus.NOT_FOUND, f"nothing at {self.path}")
        try:
            self.behaviour.set(json.loads(body))
        except (ValueError, TypeError) as error:
            return self.refuse(HTTPStatus.BAD_REQUEST, str(error))
        self.answer(self.behaviour.get())

    def do_DELETE(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path != "/api/v1/messages":
            return self.refuse(HTTPStatus.NOT_FOUND, f"nothing at {self.path}")
        self.store.clear()
        self.answer("ok", "text/plain")

    def messages(self, query: dict) -> dict:
        start, limit = (int(query.get(name, [default])[0]) for name, default in (("start", 0), ("limit", 50)))
        found = [summary(mail) for mail in self.store.newest(start, limit)]
        return {"total": len(self.store), "start": start, "count": len(found), "messages": found}

    def answer_mail(self, mail_id: str, answer) -> None:
        mail = self.store.get(mail_id)
        answer(mail) if mail else self.refuse(HTTPStatus.NOT_FOUND, f"no mail {mail_id}")

    def refuse(self, status: HTTPStatus, why: str) -> None:
        self.answer({"Error": why}, status=status)

    def answer(self, body, kind="application/json", status=HTTPStatus.OK, sandbox=False) -> None:
        if not isinstance(body, bytes):
            body = (json.dumps(body) if kind == "application/json" else body).encode()
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        if sandbox:  # a mail's HTML is a stranger's: no scripts, no forms
            self.send_header("Content-Security-Policy", "sandbox")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """One line per request would be most of the log."""


def serve_http(host: str, port: int, store: Store, behaviour: Behaviour) -> ThreadingHTTPServer:
    handler = type("BoundApi", (Api,), {"store": store, "behaviour": behaviour})
    server = ThreadingHTTPServer((host, port), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server

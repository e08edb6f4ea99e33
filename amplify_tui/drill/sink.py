"""Where the sandbox's messages end up: an SMTP server and a webhook, and a page to look at both.

GET    /messages      what came in, oldest first
DELETE /messages      forget it
POST   anything else  is kept as a webhook's message
"""

from __future__ import annotations

import argparse
import asyncio
import email
import email.policy
import json
import socket
import time
from pathlib import Path
from typing import Any, Literal

import msgspec
from aiosmtpd.smtp import SMTP, Envelope, Session
from msgspec import Struct

from amplify_tui.drill import lifeline
from amplify_tui.drill.wire import Listener, Reply, Request

MOST = 1000  # messages kept


class Config(Struct, frozen=True, kw_only=True):
    http_fd: int
    smtp_fd: int


class Message(Struct, frozen=True, kw_only=True):
    via: Literal["webhook", "smtp"]
    at: float
    to: str  # the path of a webhook, the recipients of a mail
    subject: str
    body: Any
    headers: dict[str, str]


class Sink:
    def __init__(self) -> None:
        self._messages: list[Message] = []

    async def answer(self, request: Request) -> Reply:
        match request.method, request.path:
            case "GET", "/health":
                return Reply.json({"status": "ok"})
            case "GET", "/messages":
                return Reply.json(self._messages)
            case "DELETE", "/messages":
                self._messages.clear()
                return Reply.json({"messages": 0})
            case (("POST" | "PUT"), path):
                self._keep(_webhook(request, path))
                return Reply.json({"ok": True})
        return Reply.json({"error": "GET /messages, or POST a message to any path"}, 404)

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 (aiosmtpd)
        raw = envelope.content
        mail = email.message_from_bytes(
            raw if isinstance(raw, bytes) else str(raw).encode(), policy=email.policy.default
        )
        text = mail.get_body(("plain", "html"))
        self._keep(
            Message(
                via="smtp",
                at=time.time(),
                to=", ".join(envelope.rcpt_tos),
                subject=str(mail.get("subject", "")),
                body=text.get_content() if text is not None else "",
                headers={name: str(value) for name, value in mail.items()},
            )
        )
        return "250 OK"

    def _keep(self, message: Message) -> None:
        self._messages.append(message)
        del self._messages[:-MOST]


def _webhook(request: Request, path: str) -> Message:
    try:
        body = json.loads(request.body)
    except ValueError:
        body = request.body.decode(errors="replace")
    subject = str(body.get("subject") or body.get("title") or "") if isinstance(body, dict) else ""
    return Message(via="webhook", at=time.time(), to=path, subject=subject, body=body, headers=request.headers)


async def serve(config: Config, descriptor: int) -> None:
    """Serve until the parent is gone."""
    lifeline.obey(descriptor)
    sink, loop = Sink(), asyncio.get_running_loop()
    http, mail = socket.socket(fileno=config.http_fd), socket.socket(fileno=config.smtp_fd)
    http.setblocking(False)
    await Listener(sink.answer, http).start()
    server = await loop.create_server(lambda: SMTP(sink, hostname="sandbox", enable_SMTPUTF8=True), sock=mail)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--lifeline", type=int, required=True)
    parser.add_argument("--config", type=Path, required=True)
    options = parser.parse_args()
    asyncio.run(serve(msgspec.json.decode(options.config.read_bytes(), type=Config), options.lifeline))


if __name__ == "__main__":
    main()

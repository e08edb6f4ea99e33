"""Mail through a real SMTP server: what arrives, and what each way of failing proves."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default

import pytest
from aiosmtpd import smtp
from aiosmtpd.controller import Controller
from msgspec import structs

from amplify_tui.adapters.notify_mail import Smtp, message_id
from amplify_tui.adapters.ports import Absent, Announcement, Attachment, Done, Unknown

MESSAGE = Announcement(
    event="rollback",
    run="r1",
    subject="Rolled back\r\nBcc: everyone@example.org",
    body="Back on 2.9.4 ✓\n.\n..dots\nlast",
    idem="r1/tell/oncall",
)


class Inbox:
    """Keeps each mail; the answers may be set."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.to: list[list[str]] = []
        self.answers: dict[str, str] = {}

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: smtp.SMTP, session: smtp.Session, envelope: smtp.Envelope, address: str, options: list[str]
    ) -> str:
        answer = self.answers.get(address, self.answers.get("rcpt", "250 OK"))
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: smtp.SMTP, session: smtp.Session, envelope: smtp.Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes)
        self.mails.append(BytesParser(policy=default).parsebytes(envelope.content))  # type: ignore[arg-type]
        self.to.append(envelope.rcpt_tos)
        return self.answers.get("data", "250 taken")


def _port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def port(inbox: Inbox) -> Iterator[int]:
    controller = Controller(inbox, hostname="127.0.0.1", port=_port())
    controller.start()
    yield controller.port
    controller.stop()


def mailer(port: int, timeout: float = 5.0, to: str = "oncall@example.org", password: str = "") -> Smtp:
    return Smtp(f"127.0.0.1:{port}", sender="amplify@example.org", to=to, timeout=timeout, password=password)


async def test_a_mail_arrives_whole_in_its_thread_and_without_smuggled_headers(inbox: Inbox, port: int) -> None:
    first = await mailer(port).send(MESSAGE)
    assert first == Done(receipt={"ref": message_id(MESSAGE.idem, "a@example.org"), "refused": []}, observed=250)
    follow_up = Announcement(
        event="done", run="r1", subject="✓ done", body="x", idem="other", parent=first.receipt["ref"]
    )
    await mailer(port).send(follow_up)
    mail, answer = inbox.mails
    assert mail["Subject"] == "Rolled back Bcc: everyone@example.org"
    assert mail["Bcc"] is None
    assert inbox.to[0] == ["oncall@example.org"]
    assert mail.get_content().splitlines() == MESSAGE.body.splitlines()
    assert answer["In-Reply-To"] == mail["Message-ID"]
    assert answer["Subject"] == "✓ done"


async def test_files_are_attached_to_the_mail_as_they_are(inbox: Inbox, port: int) -> None:
    card = Attachment("card.txt", "1 exposure: checkout off ✓\n    switch it off")
    await mailer(port).send(structs.replace(MESSAGE, files=(card, Attachment("report.txt", "run r1"))))
    [mail] = inbox.mails
    text = mail.get_body()
    assert text is not None
    assert text.get_content().splitlines() == MESSAGE.body.splitlines()
    attached = {part.get_filename(): part.get_content().splitlines() for part in mail.iter_attachments()}
    assert attached == {"card.txt": card.text.splitlines(), "report.txt": ["run r1"]}


async def test_a_second_try_is_the_same_mail(inbox: Inbox, port: int) -> None:
    await mailer(port).send(MESSAGE)
    await mailer(port).send(MESSAGE)
    assert inbox.mails[0]["Message-ID"] == inbox.mails[1]["Message-ID"]


@pytest.mark.parametrize(
    ("where", "answer", "retryable"),
    [
        ("rcpt", "550 no such user", False),
        ("rcpt", "451 greylisted", True),
        ("data", "554 spam", False),
        ("data", "452 full", True),
    ],
)
async def test_a_refusal_is_absent_and_quoted(
    inbox: Inbox, port: int, where: str, answer: str, retryable: bool
) -> None:
    inbox.answers[where] = answer
    outcome = await mailer(port).send(MESSAGE)
    assert isinstance(outcome, Absent)
    assert outcome.retryable == retryable
    assert answer in outcome.reason


async def test_one_refused_recipient_does_not_keep_the_mail_from_the_others(inbox: Inbox, port: int) -> None:
    inbox.answers["gone@example.org"] = "550 gone"
    outcome = await mailer(port, to="Gone <gone@example.org>, oncall@example.org").send(MESSAGE)
    assert isinstance(outcome, Done)
    assert outcome.receipt["refused"] == ["gone@example.org"]
    assert inbox.to == [["oncall@example.org"]]


async def test_a_closed_port_is_absent_and_worth_another_try() -> None:
    outcome = await mailer(_port()).send(MESSAGE)
    assert outcome == Absent(reason="127.0.0.1: it does not answer", retryable=True, error="Unreachable")


async def _with_script(script: list[str | None], send: Callable[[int], Smtp]) -> object:
    """A server that says *script* line by line, one answer a command (the text counts as one); None hangs."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for line in script:
            if line is None:
                await reader.read()
                break
            writer.write(line.encode() + b"\r\n")
            await writer.drain()
            await reader.readuntil(b"\r\n.\r\n" if line.startswith("354") else b"\r\n")
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        return await send(listening.sockets[0].getsockname()[1]).send(MESSAGE)
    finally:
        listening.close()


GREETED: list[str | None] = ["220 hello", "250 ehlo", "250 from", "250 to"]


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        ([None], Absent),
        (["220 hello", None], Absent),
        ([*GREETED, None], Absent),
        (["554 go away"], Absent),
        (["220 hello", "250 ehlo", "421 closing"], Absent),
        ([*GREETED, "354 go on", None], Unknown),
        ([*GREETED, "354 go on"], Unknown),
        ([*GREETED, "354 go on", "421 closing"], Unknown),
        ([*GREETED, "354 go on", "nonsense"], Unknown),
        ([*GREETED, "354 go on", "299 hm"], Unknown),
        ([*GREETED, "354 go on", "250 taken", None], Done),
        ([*GREETED, "354 go on", "250 taken"], Done),
    ],
)
async def test_silence_proves_absence_only_before_the_text_was_handed_over(
    script: list[str | None], kind: type
) -> None:
    outcome = await _with_script(script, lambda port: mailer(port, timeout=0.5))
    assert isinstance(outcome, kind), outcome


async def test_a_wrong_password_is_absent_and_never_repeated(inbox: Inbox) -> None:
    def deny(*_: object) -> smtp.AuthResult:
        return smtp.AuthResult(success=False, handled=False)

    controller = Controller(inbox, hostname="127.0.0.1", port=_port(), authenticator=deny, auth_require_tls=False)
    controller.start()
    try:
        outcome = await mailer(controller.port, password="hunter2").send(MESSAGE)
    finally:
        controller.stop()
    assert isinstance(outcome, Absent)
    assert outcome.error == "Unauthorized", outcome
    assert "hunter2" not in repr(outcome)


async def test_a_password_for_a_server_without_logins_is_refused(inbox: Inbox, port: int) -> None:
    outcome = await mailer(port, password="hunter2").send(MESSAGE)
    assert isinstance(outcome, Absent)
    assert (outcome.error, inbox.mails) == ("Invalid", [])
    assert "hunter2" not in repr(outcome)

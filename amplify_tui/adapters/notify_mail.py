"""Messages by mail, with the standard library's SMTP client in a thread.

The line between absent and unknown is the message's text: before the server asks for it (354) nothing can
have been delivered; from then on only its answer says so. Everything about a mail is derived from the
message, so that a second try is the same mail (Message-ID) and an answer to an earlier one lies in its
thread (In-Reply-To).
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import smtplib
import ssl
from contextlib import closing, suppress
from email.generator import BytesGenerator
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, getaddresses
from io import BytesIO
from typing import Final, Literal
from urllib.parse import unquote, urlsplit

from amplify_tui.adapters.clean import clean, clean_lines
from amplify_tui.adapters.ports import Absent, Announcement, Done, Invalid, Outcome, Unknown

TIMEOUT: Final = 10.0
_STEPS: Final = 4  # a server may be slow at each step of a dialogue; this many times slower, and we stop listening
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_MESSAGE_ID: Final = re.compile(r"<[^<>\s]{3,200}>\Z")
_LINES: Final = 2_000
_LINE: Final = 900  # RFC 5322 allows 998

Tls = Literal["auto", "starttls", "ssl", "none"]


class Smtp:
    """One mail server and one list of recipients.

    server: `host:port`, or `smtp://user:password@host:port` (`smtps://` speaks TLS from the start). tls
    "auto" takes STARTTLS where it is offered; a password never goes over an open connection except to this
    machine itself. Raises Invalid where an address or the server makes no sense.
    """

    def __init__(
        self,
        server: str,
        *,
        sender: str,
        to: str,
        user: str = "",
        password: str = "",
        tls: Tls = "auto",
        timeout: float = TIMEOUT,
    ) -> None:
        parts = urlsplit(server if "://" in server else f"smtp://{server}")
        try:
            port = parts.port
        except ValueError:
            port = -1
        if not parts.hostname or port == -1 or parts.scheme not in {"smtp", "smtps"}:
            raise Invalid("the mail server is no address", fix="write host:port")
        self._tls: Tls = "ssl" if tls == "auto" and (parts.scheme == "smtps" or port == 465) else tls
        self._host = parts.hostname
        self._port = port or (465 if self._tls == "ssl" else 25)
        self._user = user or unquote(parts.username or "")
        self._password = password or unquote(parts.password or "")
        self._sender = _addresses(sender, "from")[0]
        self._to = _addresses(to, "to")
        self._timeout = timeout

    async def send(self, message: Announcement) -> Outcome:
        """Done once the server took the mail; `ref` is its Message-ID, `refused` whom the server would not have.

        A cancelled caller does not stop the dialogue: a thread cannot be interrupted, and it ends by its
        own limit.
        """
        mail = self._mail(message)
        try:
            async with asyncio.timeout(self._timeout * _STEPS):
                return await asyncio.to_thread(self._deliver, mail)
        except TimeoutError:
            return Unknown(cause=f"{self._host} did not come to an end within {self._timeout * _STEPS:g} s")

    def _mail(self, message: Announcement) -> EmailMessage:
        mail = EmailMessage(policy=SMTP.clone(cte_type="7bit"))
        mail["From"] = self._sender
        mail["To"] = ", ".join(self._to)
        mail["Subject"] = clean(message.subject, 200)
        mail["Date"] = formatdate()
        mail["Message-ID"] = message_id(message.idem, self._sender)
        if _MESSAGE_ID.match(message.parent):
            mail["In-Reply-To"] = message.parent
            mail["References"] = message.parent
        mail["Auto-Submitted"] = "auto-generated"
        mail["X-Amplify-Run"] = clean(message.run, 80)
        mail["X-Amplify-Event"] = clean(message.event, 80)
        mail.set_content(clean_lines(message.body, _LINE, _LINES) + "\n")
        for file in message.files:
            mail.add_attachment(clean_lines(file.text, _LINE, _LINES) + "\n", filename=clean(file.name, 80))
        return mail

    def _deliver(self, mail: EmailMessage) -> Outcome:
        dialogue = _Dialogue(self._host)
        try:
            with closing(self._connected()) as client:
                return dialogue.hold(client, mail, self._sender, self._to)
        except smtplib.SMTPAuthenticationError as refused:
            return Absent(reason=f"{self._host} refuses the login ({refused.smtp_code})", error="Unauthorized")
        except smtplib.SMTPResponseException as refused:
            return dialogue.refused(refused.smtp_code, refused.smtp_error)
        except smtplib.SMTPNotSupportedError as missing:
            return Absent(reason=f"{self._host}: {clean(str(missing), 160)}", error="Invalid")
        except ssl.SSLError as wrong:
            return dialogue.broken(f"no safe connection: {clean(wrong.reason or 'TLS failed', 80)}", is_retryable=False)
        except (smtplib.SMTPException, OSError) as lost:
            return dialogue.broken(_words(lost), is_retryable=True)

    def _connected(self) -> smtplib.SMTP:
        """A client that is connected, safe as asked, and logged in. Closes itself where one of these fails."""
        context = ssl.create_default_context()
        client: smtplib.SMTP
        if self._tls == "ssl":
            client = smtplib.SMTP_SSL(self._host, self._port, timeout=self._timeout, context=context)
        else:
            client = smtplib.SMTP(self._host, self._port, timeout=self._timeout)
        try:
            client.ehlo_or_helo_if_needed()
            is_safe = self._tls == "ssl"
            if self._tls == "starttls" or (self._tls == "auto" and client.has_extn("starttls")):
                client.starttls(context=context)
                client.ehlo()
                is_safe = True
            if self._password:
                if not is_safe and self._host not in _LOOPBACK:
                    raise smtplib.SMTPNotSupportedError("a password is not sent over an open connection")
                client.login(self._user or self._sender, self._password)
        except (smtplib.SMTPException, OSError):
            client.close()
            raise
        return client


class _Dialogue:
    """The part of an SMTP session that can tell how far it came."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._outcome: Done | None = None
        self._is_handed_over = False

    def hold(self, client: smtplib.SMTP, mail: EmailMessage, sender: str, to: list[str]) -> Outcome:
        """Sender, recipients, text. Raises smtplib's errors and OSError: `refused` and `broken` say what they prove."""
        _expect(client.mail(sender), 250)
        answers = {address: client.rcpt(address) for address in to}
        refused = {address: code for address, (code, _) in answers.items() if code not in {250, 251}}
        if len(refused) == len(to):
            code, said = next(iter(answers.values()))
            return self.refused(code, said)
        _expect(client.docmd("data"), 354)
        self._is_handed_over = True
        client.send(_wire(mail))
        code, said = client.getreply()
        if code != 250:
            return self.refused(code, said)
        with suppress(smtplib.SMTPException, OSError):  # the mail is taken; how we part does not matter
            client.quit()
        return Done(receipt={"ref": str(mail["Message-ID"]), "refused": sorted(refused)}, observed=code)

    def refused(self, code: int, said: bytes | str) -> Outcome:
        """The server answered, and not with yes: nothing was delivered, unless it had the text and says no clear no."""
        if self._is_handed_over and (code == 421 or not 400 <= code < 600):
            return Unknown(cause=f"{self._host} closed the dialogue ({code}) after the mail was handed over")
        words = clean(said.decode("utf-8", "replace") if isinstance(said, bytes) else said, 200)
        is_retryable = code < 500
        error = "Unreachable" if is_retryable else "Forbidden"
        return Absent(reason=f"{self._host} answered {code} {words}", retryable=is_retryable, error=error)

    def broken(self, words: str, *, is_retryable: bool) -> Outcome:
        if self._is_handed_over:
            return Unknown(cause=f"{self._host} took the mail and gave no answer ({words})")
        return Absent(reason=f"{self._host}: {words}", retryable=is_retryable, error="Unreachable")


def message_id(idem: str, sender: str) -> str:
    """The Message-ID that every try of the message *idem* carries."""
    digest = hashlib.sha256(idem.encode()).hexdigest()[:32]
    return f"<{digest}@{sender.rpartition('@')[2]}>"


def _expect(answer: tuple[int, bytes], wanted: int) -> None:
    code, said = answer
    if code != wanted:
        raise smtplib.SMTPResponseException(code, said)


def _wire(mail: EmailMessage) -> bytes:
    """The mail as it goes over the wire: a line that is a dot gets a second one, and a dot of its own ends it."""
    buffer = BytesIO()
    BytesGenerator(buffer, mangle_from_=False, policy=mail.policy).flatten(mail)
    quoted = re.sub(rb"(?m)^\.", b"..", buffer.getvalue())
    return quoted.removesuffix(b"\r\n") + b"\r\n.\r\n"


def _addresses(text: str, field: str) -> list[str]:
    found = [address for _, address in getaddresses([clean(text, 2_000)]) if address]
    if not found or not all(re.fullmatch(r"[^@\s<>]+@[^@\s<>]+", address) for address in found):
        raise Invalid(f"`{field}` holds no mail address: {clean(text, 80)!r}", fix="write name@example.org")
    return found


def _words(lost: Exception) -> str:
    match lost:
        case TimeoutError():
            return "no answer in time"
        case ConnectionRefusedError():
            return "it does not answer"
        case _:
            return clean(str(lost), 120) or type(lost).__name__

"""The protocol between a conductor and its clients: one JSON object per line over a unix stream socket. No I/O here.

| client sends                                     | conductor answers                                         |
| ------------------------------------------------ | --------------------------------------------------------- |
| {"op":"do","command":{"id":…}}                   | {"re":id,"ok":true,"seq":n} or                            |
|                                                  | {"re":id,"ok":false,"refusal":{"what","why","next"}}      |
| {"op":"events","after":n,"limit":k,"id":…}       | {"re":id,"events":[…]}, fewer than k when they are long   |
| {"op":"follow","from":n,"id":…}                  | {"wake":seq}, {"board":{…}} at once; then one wake per    |
|                                                  | append and one board per 100 ms, as far as it keeps up    |
| {"op":"ping","id":…}                             | {"re":id,"ok":true,"seq":n}                               |
| anything else                                    | {"re":id or "","error":"…"}                               |

A wake carries only the newest seq: one may be lost, the next says more. A board carries the latest value per key; the
first is whole. Events are the bytes of the journal, verbatim. A request is at most 1 MiB long, an answer 16 MiB.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct, field

MAX_REQUEST: Final = 1024 * 1024
MAX_ANSWER: Final = 16 * 1024 * 1024
MAX_EVENTS: Final = 1000
_ENVELOPE: Final = 1024  # what an answer has besides its events


class Do(Struct, tag_field="op", tag="do"):
    """Carry out a command. Its `id` is the command's, and makes it safe to send twice."""

    command: dict[str, Any]


class Events(Struct, tag_field="op", tag="events"):
    """Send the events with seq > `after`."""

    after: int
    limit: int = MAX_EVENTS
    id: str = ""


class Follow(Struct, tag_field="op", tag="follow"):
    """Push wakes and boards on this connection from now on. `since` is the last seq that the client has."""

    since: int = field(default=0, name="from")
    id: str = ""


class Ping(Struct, tag_field="op", tag="ping"):
    """Are you there?"""

    id: str = ""


Request = Do | Events | Follow | Ping


class Refusal(Struct, frozen=True):
    """Why a command was not done, in words for a person."""

    what: str
    why: str
    next: str


class Answer(Struct, frozen=True, omit_defaults=True):
    """The answer to one command: `seq` after it when `ok`, else the refusal. Also what the journal remembers."""

    ok: bool
    seq: int = 0
    refusal: Refusal | None = None


class Message(Struct, omit_defaults=True):
    """Anything a conductor sends: an answer (`re` is set, `error` for a request that made no sense), or a push."""

    re: str | None = None
    ok: bool | None = None
    seq: int | None = None
    refusal: Refusal | None = None
    error: str | None = None
    events: list[Raw] | None = None
    wake: int | None = None
    board: dict[str, Any] | None = None


class WireError(Exception):
    """The other side sent something that is not this protocol. `re` is the id it used, where one was readable."""

    def __init__(self, what: str, re: str = "") -> None:
        self.re = re
        super().__init__(what)


class _AnyId(Struct):
    id: str = ""


_REQUEST = msgspec.json.Decoder(Request)
_MESSAGE = msgspec.json.Decoder(Message)
_ANSWER = msgspec.json.Decoder(Answer)
_ENCODER = msgspec.json.Encoder()


def encode(value: object) -> bytes:
    """JSON of a request, an answer or a message, without the newline."""
    return _ENCODER.encode(value)


def line(value: object) -> bytes:
    """One line of the protocol."""
    return _ENCODER.encode(value) + b"\n"


def decode_request(text: bytes) -> Request:
    """Read one line of a client. Raises WireError."""
    try:
        request: Request = _REQUEST.decode(text)
    except msgspec.DecodeError as error:
        raise WireError(f"not a request: {error}", _id_in(text)) from error
    if isinstance(request, Do) and not (isinstance(request.command.get("id"), str) and request.command["id"]):
        raise WireError("a command needs an id: without one it cannot be sent twice safely")
    return request


def decode_message(text: bytes) -> Message:
    """Read one line of a conductor. Raises WireError."""
    try:
        return _MESSAGE.decode(text)
    except msgspec.DecodeError as error:
        raise WireError(f"not a message: {error}") from error


def decode_answer(text: bytes) -> Answer:
    """Read an answer as the journal kept it. Raises WireError."""
    try:
        return _ANSWER.decode(text)
    except msgspec.DecodeError as error:
        raise WireError(f"not an answer: {error}") from error


def request_id(request: Request) -> str:
    """The id that the answer's `re` repeats."""
    return str(request.command["id"]) if isinstance(request, Do) else request.id


def answer_message(re: str, answer: Answer) -> Message:
    """The message that carries an answer to a command."""
    return Message(re=re, ok=answer.ok, seq=answer.seq, refusal=answer.refusal)


def events_message(re: str, bodies: Sequence[bytes]) -> Message:
    """The message that carries as many of `bodies` as fit into one line; at least one where there is one."""
    room = MAX_ANSWER - _ENVELOPE
    fit = 0
    for body in bodies:
        room -= len(body) + 1
        if room < 0:
            break
        fit += 1
    return Message(re=re, events=[Raw(body) for body in bodies[:fit]])


def _id_in(text: bytes) -> str:
    try:
        return msgspec.json.decode(text, type=_AnyId).id
    except msgspec.DecodeError:
        return ""

"""The lines of the protocol, without a socket."""

from __future__ import annotations

import msgspec
import pytest

from amplify_tui.engine import wire
from amplify_tui.engine.wire import Answer, Do, Events, Follow, Ping, Refusal, Request, WireError


@pytest.mark.parametrize(
    ("text", "request_"),
    [
        (b'{"op":"do","command":{"id":"c-1","type":"Hold"}}', Do(command={"id": "c-1", "type": "Hold"})),
        (b'{"op":"events","after":7,"limit":3}', Events(after=7, limit=3)),
        (b'{"op":"follow","from":7}', Follow(since=7)),
        (b'{"op":"ping","id":"x"}', Ping(id="x")),
    ],
)
def test_requests_are_read_as_documented_and_written_so_that_they_can_be_read(text: bytes, request_: Request) -> None:
    assert wire.decode_request(text) == request_
    assert wire.decode_request(wire.line(request_)) == request_


@pytest.mark.parametrize(
    ("text", "re"),
    [
        (b"", ""),
        (b"[]", ""),
        (b'{"op":"explode","id":"x"}', "x"),
        (b'{"op":"events","id":"x"}', "x"),
        (b'{"op":"do","command":{"type":"Hold"}}', ""),
        (b'{"op":"do","command":{"id":5}}', ""),
        (b'{"op":"do","command":[]}', ""),
        (b'\xff{"op":"ping"}', ""),
    ],
)
def test_what_is_no_request_is_an_error_that_keeps_the_id(text: bytes, re: str) -> None:
    with pytest.raises(WireError) as caught:
        wire.decode_request(text)
    assert caught.value.re == re


def test_an_answer_on_the_wire_is_the_documented_json() -> None:
    refusal = Refusal(what="Cannot release", why="h1 is a gate's", next="Wait or override")
    refused = wire.answer_message("c-1", Answer(ok=False, refusal=refusal))
    assert msgspec.json.decode(wire.line(refused)) == {
        "re": "c-1",
        "ok": False,
        "seq": 0,
        "refusal": {"what": "Cannot release", "why": "h1 is a gate's", "next": "Wait or override"},
    }
    done = wire.answer_message("c-1", Answer(ok=True, seq=7))
    assert wire.line(done) == b'{"re":"c-1","ok":true,"seq":7}\n'


def test_an_answer_comes_back_from_the_journal_as_it_was() -> None:
    for answer in (Answer(ok=True, seq=7), Answer(ok=False, refusal=Refusal("a", "b", "c"))):
        assert wire.decode_answer(wire.encode(answer)) == answer
    with pytest.raises(WireError):
        wire.decode_answer(b"{}")


def test_events_travel_verbatim() -> None:
    bodies = ['{"b":1,"a":"é","x":1.50}'.encode(), b'{ "spaced" : [ 1 ] }']
    message = wire.decode_message(wire.line(wire.events_message("e", bodies)))
    assert message.events is not None
    assert [bytes(body) for body in message.events] == bodies


def test_an_answer_holds_as_many_events_as_fit_into_its_line() -> None:
    bodies = [b'"' + b"x" * 5_000_000 + b'"'] * 10
    message = wire.events_message("e", bodies)
    assert message.events is not None
    assert len(message.events) == 3
    assert len(wire.line(message)) <= wire.MAX_ANSWER
    assert wire.events_message("e", []).events == []


def test_what_is_no_message_is_an_error() -> None:
    with pytest.raises(WireError):
        wire.decode_message(b'{"wake":"soon"}')

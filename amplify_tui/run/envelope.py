"""The envelope of a journaled event, and its codec: versioned and hash-chained.

Bodies are canonical JSON: the hash chain is over exactly those bytes, so encoding an envelope twice must give the same
bytes.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Final

import msgspec
from msgspec import Raw, Struct

from amplify_tui.run.events import TYPES, EventData, Via

GENESIS: Final = "0" * 64
VERSION: Final = 1


class Envelope(Struct, frozen=True, kw_only=True):
    """One journaled event. `prev` is the SHA-256 of the body before it; `cmd` is the id of the command it answers."""

    seq: int
    run: str
    epoch: int
    at: datetime
    type: str
    v: int
    actor: str
    via: Via
    cmd: str
    prev: str
    data: EventData

    @property
    def at_s(self) -> float:
        """The event's time in Unix seconds."""
        return self.at.timestamp()


class _Wire(Struct, frozen=True, kw_only=True):
    seq: int
    run: str
    epoch: int
    at: datetime
    type: str
    v: int
    actor: str
    via: Via
    cmd: str
    prev: str
    data: Raw


class UnreadableEvent(Exception):
    """A body that is not an event of a version this program knows; says which and what to do."""


_encoder = msgspec.json.Encoder(order="deterministic")
_wire_decoder = msgspec.json.Decoder(_Wire)
_data_decoders: Final = {name: msgspec.json.Decoder(cls) for name, cls in TYPES.items()}


def instant(at: float) -> datetime:
    """An aware UTC datetime for Unix seconds, cut to microseconds so that it survives JSON unchanged."""
    return datetime.fromtimestamp(round(at, 6), tz=UTC)


def encode(envelope: Envelope) -> bytes:
    """The canonical body: what is stored, chained and sent."""
    return _encoder.encode(envelope)


def decode(body: bytes) -> Envelope:
    """The event in *body*. Raises UnreadableEvent where it is no event, or of a newer version."""
    try:
        wire = _wire_decoder.decode(body)
        decoder = _data_decoders.get(wire.type)
        if decoder is None or wire.v > VERSION:
            raise UnreadableEvent(
                f"event {wire.seq} is a {wire.type} of version {wire.v}, which this amplify does not know; "
                "read the run with the version that wrote it, or a newer one"
            )
        data = decoder.decode(wire.data)
    except msgspec.MsgspecError as error:
        raise UnreadableEvent(f"a journal entry is not an event: {error}") from error
    return Envelope(
        seq=wire.seq,
        run=wire.run,
        epoch=wire.epoch,
        at=wire.at,
        type=wire.type,
        v=wire.v,
        actor=wire.actor,
        via=wire.via,
        cmd=wire.cmd,
        prev=wire.prev,
        data=data,  # type: ignore[arg-type]  # TYPES holds exactly the members of EventData
    )


def body_hash(body: bytes) -> str:
    """What the next event's `prev` must be."""
    return hashlib.sha256(body).hexdigest()


def enclose(
    data: EventData,
    *,
    seq: int,
    run: str,
    epoch: int,
    at: float,
    actor: str,
    via: Via,
    cmd: str = "",
    prev: str = GENESIS,
) -> Envelope:
    """An envelope around *data*, of this program's version."""
    return Envelope(
        seq=seq,
        run=run,
        epoch=epoch,
        at=instant(at),
        type=type(data).__name__,
        v=VERSION,
        actor=actor,
        via=via,
        cmd=cmd,
        prev=prev,
        data=data,
    )

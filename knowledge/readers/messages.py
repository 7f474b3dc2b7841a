"""How the reading process and its parent talk: bytes behind their length, and no pickles, because a parser may lie."""

from __future__ import annotations

import struct
from typing import IO

LENGTH = struct.Struct(">Q")
# No text comes near this; a longer message is no message.
MOST_BYTES = 1_000_000_000


class Broken(Exception):
    """The other side is gone, or says what makes no sense."""


def send(stream: IO[bytes], *parts: bytes) -> None:
    for part in parts:
        stream.write(LENGTH.pack(len(part)))
        stream.write(part)
    stream.flush()


def receive(stream: IO[bytes], *, parts: int) -> list[bytes]:
    """The next message. Raises Broken at the end of the stream."""
    return [exactly(stream, length_of(stream)) for _ in range(parts)]


def length_of(stream: IO[bytes]) -> int:
    (length,) = LENGTH.unpack(exactly(stream, LENGTH.size))
    if length > MOST_BYTES:
        raise Broken
    return int(length)


def exactly(stream: IO[bytes], length: int) -> bytes:
    found = stream.read(length)
    if len(found) < length:
        raise Broken
    return found

"""Unpacks compressed streams in small steps, so that whoever counts can stop before a bomb fills the memory."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

STEP = 64 * 1024
GZIP_OR_ZLIB = 47  # zlib's number for "look at the header"


def unpacked(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the content of a gzip, zlib or raw deflate stream, never more than STEP bytes at once.

    Raises ValueError where the stream is damaged or ends too early.
    """
    try:
        yield from inflate(chunks)
    except zlib.error as error:
        raise ValueError(f"The compressed content is damaged: {error}.") from error


def inflate(chunks: Iterable[bytes]) -> Iterator[bytes]:
    decoder, members = None, 0
    for chunk in chunks:
        rest = chunk
        while rest:
            if decoder is None:
                if members and not rest.startswith(b"\x1f\x8b"):
                    return  # What follows the last member is padding.
                decoder = decoder_for(rest)
            yield decoder.decompress(rest, STEP)
            rest = decoder.unconsumed_tail or decoder.unused_data
            if decoder.eof:
                decoder, members = None, members + 1
    if decoder is not None:
        yield decoder.flush()
        if not decoder.eof:
            raise ValueError("The compressed content ends too early.")


def decoder_for(start: bytes) -> zlib._Decompress:
    """Some servers send raw deflate where the standard wants zlib; the first two bytes tell."""
    is_gzip = start.startswith(b"\x1f\x8b")
    is_zlib = len(start) > 1 and start[0] & 0x0F == 8 and (start[0] * 256 + start[1]) % 31 == 0
    return zlib.decompressobj(GZIP_OR_ZLIB if is_gzip or is_zlib or len(start) < 2 else -zlib.MAX_WBITS)

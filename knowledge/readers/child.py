"""The process in which files are parsed: python -m knowledge.readers.child SECONDS MEGABYTES.

It reads requests from its input until that ends, which it does with its parent.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from importlib import import_module
from typing import IO, Any

from knowledge.readers.base import Reader
from knowledge.readers.messages import Broken, receive, send
from magnet.errors import UnreadableDocument

# By the clock: an orphan that sleeps in a parser ends as well.
PATIENCE = 4
# Of its memory, what a process may still hold after a file and go on.
MOST_KEPT = 0.6


def main() -> None:
    seconds, megabytes = int(sys.argv[1]), int(sys.argv[2])
    limit(resource.RLIMIT_AS, megabytes * 1024 * 1024)
    limit(resource.RLIMIT_CORE, 0)
    replies = os.fdopen(os.dup(1), "wb")
    # What a library prints must not end up between our messages.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    send(replies, b"ready")
    serve(sys.stdin.buffer, replies, seconds=seconds)


def serve(requests: IO[bytes], replies: IO[bytes], *, seconds: int) -> None:
    while True:
        try:
            header, body = receive(requests, parts=2)
        except Broken:
            return
        grant(seconds)
        reply = answer(json.loads(header), body)
        signal.alarm(0)
        del body
        send(replies, json.dumps({**reply, "is_swollen": is_swollen()}).encode())


def grant(seconds: int) -> None:
    """Give the next file its time: computing from now on, and more by the clock. The system ends what exceeds it."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime) + 1 + seconds)
    signal.alarm(PATIENCE * seconds)


def is_swollen() -> bool:
    """Say whether so much of the memory stays taken that the next file could pay for it."""
    most, _ = resource.getrlimit(resource.RLIMIT_AS)
    try:
        with open("/proc/self/statm") as file:
            pages = int(file.read().split()[0])
    except OSError:
        return False
    return pages * resource.getpagesize() > MOST_KEPT * most


def limit(which: int, value: int) -> None:
    _, hard = resource.getrlimit(which)
    soft = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(which, (soft, hard))


def answer(header: dict[str, Any], body: bytes) -> dict[str, Any]:
    try:
        extract = reader_named(header["reader"]).read(body, filename=header["filename"])
    except UnreadableDocument as error:
        return {"kind": "unreadable", "sentence": error.detail}
    except MemoryError:
        return {"kind": "memory"}
    except Exception as error:  # noqa: BLE001 (the parent logs and tells it; this process goes on with the next file)
        return {"kind": "failed", "error": type(error).__name__}
    return {
        "kind": "extract",
        "text": extract.text,
        "title": extract.title,
        "page_starts": extract.page_starts,
        "metadata": dict(extract.metadata),
    }


def reader_named(path: str) -> Reader:
    module, _, name = path.partition(":")
    kind = getattr(import_module(module), name)
    assert issubclass(kind, Reader)
    reader: Reader = kind()
    return reader


if __name__ == "__main__":
    main()

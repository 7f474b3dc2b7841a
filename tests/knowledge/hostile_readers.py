"""Readers whose files do what bad files do to parsers: they run in the reading process as any reader does."""

from __future__ import annotations

import ctypes
import os
import time
from typing import ClassVar

from knowledge.readers import Extract, Reader


class Hostile(Reader):
    media_types: ClassVar[tuple[str, ...]] = ()
    is_isolated: ClassVar[bool] = True


class Loops(Hostile):
    label: ClassVar[str] = "Loops"
    extensions: ClassVar[tuple[str, ...]] = (".loop",)

    def read(self, body: bytes, *, filename: str = "") -> Extract:
        while True:
            pass


class Sleeps(Hostile):
    label: ClassVar[str] = "Sleeps"
    extensions: ClassVar[tuple[str, ...]] = (".sleep",)

    def read(self, body: bytes, *, filename: str = "") -> Extract:
        time.sleep(3_600)
        return Extract("awake")


class Eats(Hostile):
    label: ClassVar[str] = "Eats memory"
    extensions: ClassVar[tuple[str, ...]] = (".eat",)

    def read(self, body: bytes, *, filename: str = "") -> Extract:
        eaten = []
        while True:
            eaten.append(bytearray(10_000_000))


class Crashes(Hostile):
    label: ClassVar[str] = "Crashes"
    extensions: ClassVar[tuple[str, ...]] = (".crash",)

    def read(self, body: bytes, *, filename: str = "") -> Extract:
        ctypes.string_at(0)
        return Extract("alive")


class Stumbles(Hostile):
    label: ClassVar[str] = "Stumbles"
    extensions: ClassVar[tuple[str, ...]] = (".stumble",)

    def read(self, body: bytes, *, filename: str = "") -> Extract:
        raise KeyError("what no reader expects")


class Keeps(Hostile):
    """Forgets to give its memory back, as libraries do."""

    label: ClassVar[str] = "Keeps"
    extensions: ClassVar[tuple[str, ...]] = (".keep",)
    kept: ClassVar[list[bytes]] = []

    def read(self, body: bytes, *, filename: str = "") -> Extract:
        self.kept.append(bytes(120_000_000))
        return Extract(str(os.getpid()))


class Tells(Hostile):
    """Reads what it sees of its process: number, parent and environment."""

    label: ClassVar[str] = "Tells"
    extensions: ClassVar[tuple[str, ...]] = (".tell",)

    def read(self, body: bytes, *, filename: str = "") -> Extract:
        print("A library that talks must not disturb.", flush=True)
        return Extract(f"{os.getpid()} {os.getppid()} {' '.join(sorted(os.environ))}")


HOSTILE = {kind.__name__.lower(): kind for kind in (Loops, Sleeps, Eats, Crashes, Stumbles, Keeps, Tells)}

"""An example of a plug-in: a connector and a reader, in one module."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from knowledge.connectors.base import Connector, Content, ListingItem, RemoteDocument
from knowledge.readers.base import Extract, Reader
from magnet.errors import FetchFailed
from magnet.plugins import Plugin


class JotterConfig(BaseModel):
    model_config = ConfigDict(extra="forbid")

    notes: list[str] = Field(default=[], title="Notes", description="One note a line.")


class JotterConnector(Connector):
    label: ClassVar[str] = "Jotter"
    description: ClassVar[str] = "Notes that stand in the settings of the source."
    Config: ClassVar[type[BaseModel]] = JotterConfig

    def check(self) -> str:
        return f"{len(self.config.notes)} notes are ready."

    def list(self, known: Mapping[str, str]) -> Iterator[ListingItem]:
        for number, note in enumerate(self.config.notes, start=1):
            version = hashlib.sha256(note.encode()).hexdigest()
            yield RemoteDocument(f"note-{number}", title=f"Note {number}", version=version)

    def fetch(self, document: RemoteDocument) -> Content:
        number = int(document.remote_id.removeprefix("note-"))
        if number > len(self.config.notes):
            raise FetchFailed(f"There is no note {number} any more.")
        return Content(self.config.notes[number - 1].encode(), "text/plain", f"note-{number}.txt")


class JotReader(Reader):
    label: ClassVar[str] = "Jot"
    media_types: ClassVar[tuple[str, ...]] = ("text/x-jot",)
    extensions: ClassVar[tuple[str, ...]] = (".jot",)

    def read(self, body: bytes, *, filename: str = "") -> Extract:
        return Extract(body.decode(errors="replace").replace("~", "\n\n"), title=filename)


class JotterSettings(BaseModel):
    model_config = ConfigDict(extra="forbid")

    author: str = "nobody"


class JotterPlugin(Plugin):
    name = "jotter"
    version = "1.2"
    label = "Jotter"
    description = "Notes as knowledge."
    needs = ("magnet>=0.1",)
    Settings = JotterSettings

    def kinds(self) -> Mapping[str, Mapping[str, type[Any]]]:
        return {"connectors": {"jotter": JotterConnector}, "readers": {"jot": JotReader}}

"""What every connector promises: where documents come from, as plain values, without a database."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from magnet.any_config import AnyConfig
from magnet.errors import FetchFailed, ListingFailed, SourceError


@dataclass(frozen=True)
class Content:
    """The original bytes of one document, as fetched.

    `vector` is that of its whole text, where a source has one that was made by its own embedding model. It counts
    only when fetched: a listing cannot carry it.
    """

    body: bytes
    media_type: str = ""
    filename: str = ""
    vector: tuple[float, ...] = ()


@dataclass(frozen=True)
class RemoteDocument:
    """One document as a listing names it.

    `version` is an opaque token (an ETag, a modification date with size, a hash): while it stays the same, the
    document is not fetched again; empty means "always fetch". `content` is set only where listing had to download
    the document anyway. `groups` is None where the source knows no permissions.
    """

    remote_id: str
    title: str = ""
    url: str = ""
    media_type: str = ""
    version: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    groups: tuple[str, ...] | None = None
    content: Content | None = None


@dataclass(frozen=True)
class Gone:
    """A document that its source says was deleted; only listings by a cursor need to say so."""

    remote_id: str


class Rest(Enum):
    """What becomes of the documents that a listing does not name."""

    KEPT = "kept"


# Yielded first by a listing that names changes only: what it does not name stays as it is.
KEEP_THE_REST = Rest.KEPT

ListingItem = RemoteDocument | Gone | Rest


GONE = "The plug-in that brought this kind of source is not installed, or was refused: see “Plug-ins” in the admin."


class EmptyConfig(BaseModel):
    """For a connector with nothing to set."""

    model_config = ConfigDict(extra="forbid")


class Connector(ABC):
    """One kind of knowledge source. Subclasses never import models; they get a Config, Secrets and their own state.

    `state` is a JSON object that the connector may change while it lists; it is stored only after a complete
    listing and handed to the next one (cursors, links found behind an ETag). Other settings start with an empty one.
    """

    label: ClassVar[str]
    description: ClassVar[str]
    Config: ClassVar[type[BaseModel]] = EmptyConfig
    Secrets: ClassVar[type[BaseModel]] = EmptyConfig
    # True where documents are uploaded (in the admin, over the API) and there is nothing to list.
    is_pushed: ClassVar[bool] = False
    # True where nothing can be read without secrets, so that their form stands open.
    needs_sign_in: ClassVar[bool] = False

    def __init__(self, config: Any, secrets: Any = None, *, state: dict[str, Any] | None = None) -> None:
        self.config = config
        self.secrets = secrets
        self.state: dict[str, Any] = state if state is not None else {}

    @classmethod
    def prove(cls, config: Any) -> None:
        """Refuse, without the network, settings that can never be read: asked when a source is saved. SourceError."""
        return  # Most settings are proved by their Config alone.

    @abstractmethod
    def check(self) -> str:
        """Prove that the source can be reached ("Test connection"): one sentence of good news, or a SourceError."""

    @abstractmethod
    def list(self, known: Mapping[str, str]) -> Iterator[ListingItem]:
        """Yield every document once. `known` maps remote_id to the version that was last stored, read when asked.

        Complete or it raises ListingFailed: whoever consumes it to the end may delete what was not named. A listing
        by a cursor yields KEEP_THE_REST first, then only what changed, and Gone for what was deleted.
        """

    @abstractmethod
    def fetch(self, document: RemoteDocument) -> Content:
        """Fetch one document; FetchFailed says why it could not be had."""

    def close(self) -> None:  # noqa: B027 - most connectors hold nothing open
        """Release connections."""


class MissingConnector(Connector):
    """Stands in for a kind that a plug-in brought and that is gone: its sources still answer, but do not sync."""

    label: ClassVar[str] = "Not installed"
    description: ClassVar[str] = "The plug-in that brought this kind of source is not installed."
    Config: ClassVar[type[BaseModel]] = AnyConfig
    Secrets: ClassVar[type[BaseModel]] = AnyConfig

    def check(self) -> str:
        raise SourceError(GONE)

    def list(self, known: Mapping[str, str]) -> Iterator[ListingItem]:
        raise ListingFailed(f"{GONE} Nothing was deleted.")

    def fetch(self, document: RemoteDocument) -> Content:
        raise FetchFailed(GONE)

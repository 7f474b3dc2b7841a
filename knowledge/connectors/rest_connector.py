"""What connectors to JSON APIs share: one client, failures told by phase, and pages of HTML made of their parts."""

from __future__ import annotations

import html
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from knowledge.connectors.base import Connector, Content, ListingItem, RemoteDocument
from knowledge.connectors.readable import media_type_of
from knowledge.connectors.rest import RestClient
from knowledge.connectors.rest_failures import fetching, listing
from magnet.outbound.http import OutboundClient

ATTACHMENTS = "/attachments/"


class Shape(BaseModel):
    """Settings and secrets of a connector: what nobody knows is refused, and no secret is ever shown."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class RestConnector(Connector):
    """Subclasses say what is found, listed and read; what fails meanwhile is a ListingFailed or a FetchFailed."""

    needs_sign_in: ClassVar[bool] = True

    def __init__(
        self,
        config: Any,
        secrets: Any = None,
        *,
        state: dict[str, Any] | None = None,
        client: OutboundClient | None = None,
    ) -> None:
        super().__init__(config, secrets if secrets is not None else self.Secrets(), state=state)
        self.outbound = client or OutboundClient()

    def check(self) -> str:
        with listing():
            return self.found()

    def list(self, known: Mapping[str, str]) -> Iterator[ListingItem]:
        with listing():
            yield from self.documents(known)

    def fetch(self, document: RemoteDocument) -> Content:
        with fetching():
            return self.content_of(document)

    def close(self) -> None:
        self.outbound.close()

    @abstractmethod
    def found(self) -> str:
        """Prove the connection: one sentence of what can be read."""

    @abstractmethod
    def documents(self, known: Mapping[str, str]) -> Iterator[ListingItem]:
        """As `list`."""

    @abstractmethod
    def content_of(self, document: RemoteDocument) -> Content:
        """As `fetch`."""


def html_content(title: str, body: str, *, filename: str = "") -> Content:
    """A page of HTML around a fragment that an API gave."""
    name = html.escape(title)
    heading = f"<h1>{name}</h1>" if title else ""
    page = (
        f'<!doctype html><html><head><meta charset="utf-8"><title>{name}</title></head>'
        f"<body><main>{heading}{body}</main></body></html>"
    )
    return Content(page.encode("utf-8", errors="replace"), media_type="text/html", filename=filename)


def file_content(api: RestClient, address: str, *, filename: str, media_type: str = "") -> Content:
    """A file of the API, with the name and the media type that its listing gave."""
    response = api.download(address)
    kind = media_type or media_type_of(filename) or response.media_type
    return Content(response.body, media_type=kind, filename=filename)


def attachment_id(parent: str, own: str) -> str:
    return f"{parent}{ATTACHMENTS}{own}"


def parent_and_attachment(remote_id: str) -> tuple[str, str]:
    """The ids of a document and of its attachment; the latter is empty for a document of its own right."""
    parent, _, own = remote_id.partition(ATTACHMENTS)
    return parent, own


def counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"

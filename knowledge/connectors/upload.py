"""Documents that are uploaded: dropped into the admin or sent through the API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from knowledge.connectors.base import Connector, Content, RemoteDocument
from magnet.errors import FetchFailed, ListingFailed

NOTHING_TO_SYNC = "Documents are uploaded to this source, so there is nothing to sync. To change one, upload it again."


class UploadConnector(Connector):
    """Nothing to list and nothing to fetch: what was uploaded stays until somebody removes it."""

    label: ClassVar[str] = "Upload"
    description: ClassVar[str] = "Files that you drop here or that another system sends through the API."
    is_pushed: ClassVar[bool] = True

    def check(self) -> str:
        return "Ready: documents can be uploaded here or sent through the API."

    def list(self, known: Mapping[str, str]) -> Iterator[RemoteDocument]:
        # At the call, not at the first step: whoever asks has misunderstood the kind.
        raise ListingFailed(NOTHING_TO_SYNC)

    def fetch(self, document: RemoteDocument) -> Content:
        raise FetchFailed(NOTHING_TO_SYNC)

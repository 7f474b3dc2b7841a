"""What another search has indexed already: texts with their vectors, from pgvector or Qdrant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import ClassVar
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, SecretStr, field_validator

from knowledge.connectors.base import Content, ListingItem, RemoteDocument
from knowledge.connectors.rest import address_of_api
from knowledge.connectors.rest_connector import RestConnector, Shape, counted
from knowledge.connectors.sql_dialects import Dialect, OfDatabase
from knowledge.connectors.sql_rows import fingerprint
from knowledge.connectors.vector_stores import Fields, Record, VectorStore, store_at
from magnet.errors import FetchFailed

MAX_REMOTE_ID = 1_000


class VectorImportConfig(OfDatabase):
    address: str = Field(
        title="Address",
        min_length=1,
        description="Of PostgreSQL, such as postgresql://db.example.com:5432/search, or of Qdrant, such as "
        "https://qdrant.example.com:6333.",
    )
    table: str = Field(title="Table or collection", min_length=1, description="Such as public.documents.")
    text_field: str = Field(
        default="text",
        title="Field of the text",
        min_length=1,
        description="A column or a part of the payload; a dot leads into JSON, as in metadata.text.",
    )
    id_field: str = Field(default="id", title="Column of the id", min_length=1, description="For PostgreSQL.")
    vector_field: str = Field(
        default="",
        title="Field of the vector",
        description="Empty: the column “embedding”, or the only vector of a point.",
    )
    title_field: str = Field(default="", title="Field of the title", description="Such as metadata.title.")
    url_field: str = Field(default="", title="Field of the link", description="Such as metadata.source.")
    metadata_field: str = Field(
        default="",
        title="Field of the metadata",
        description="One that holds JSON. Empty: none of a table, and the whole payload of a point.",
    )
    is_same_model: bool = Field(
        default=False,
        title="The vectors were made by the embedding model of this source",
        description="Then they are taken over, as long as they have as many numbers. Off: all texts are embedded anew. "
        "Vectors of another model find nothing, so leave it off when in doubt.",
    )

    @field_validator("address")
    @classmethod
    def is_an_address(cls, value: str) -> str:
        return address_of_api(value) if is_web_address(value) else value.strip()


class VectorImportSecrets(Shape):
    secret: SecretStr = Field(
        default=SecretStr(""), title="Password or API key", description="Of the user of PostgreSQL, or of Qdrant."
    )


class VectorImportConnector(RestConnector):
    """Each row or point is a document with one chunk. The vector is fetched when its document is indexed, because a
    listing of all vectors would be larger than all texts."""

    label: ClassVar[str] = "Vector store"
    description: ClassVar[str] = "Texts with their vectors from a pgvector table or from Qdrant."
    Config: ClassVar[type[BaseModel]] = VectorImportConfig
    Secrets: ClassVar[type[BaseModel]] = VectorImportSecrets
    config: VectorImportConfig

    @classmethod
    def prove(cls, config: VectorImportConfig) -> None:
        dialect_of(config, secret="")

    def found(self) -> str:
        return self.store.found()

    def documents(self, known: Mapping[str, str]) -> Iterator[ListingItem]:
        left_out = 0
        for record in self.store.records(with_marks=self.config.is_same_model):
            if record.text.strip() and 0 < len(record.id) <= MAX_REMOTE_ID:
                yield self._document(record)
            else:
                left_out += 1
        self.state.pop("notice", None)
        if left_out:
            self.state["notice"] = f"Left out {counted(left_out, 'record')} without a text. Is the field right?"

    def content_of(self, document: RemoteDocument) -> Content:
        record = self.store.record(document.remote_id)
        if record is None:
            raise FetchFailed("The record is no longer in the store. Sync again.")
        return content_of(record, vector=tuple(record.vector) if self.config.is_same_model else ())

    @cached_property
    def store(self) -> VectorStore:
        config, secret = self.config, self.secrets.secret.get_secret_value()
        fields = Fields(
            id=config.id_field,
            text=config.text_field,
            vector=config.vector_field,
            title=config.title_field,
            url=config.url_field,
            metadata=config.metadata_field,
        )
        dialect = dialect_of(config, secret=secret)
        return store_at(
            config.address, fields, table=config.table, secret=secret.strip(), client=self.outbound, dialect=dialect
        )

    def _document(self, record: Record) -> RemoteDocument:
        is_ours = self.config.is_same_model
        return RemoteDocument(
            remote_id=record.id,
            title=record.title,
            url=record.url,
            media_type="text/plain",
            version=fingerprint(is_ours, record.text, record.title, record.url, record.metadata, record.mark),
            metadata=record.metadata,
            content=None if is_ours else content_of(record),
        )


def content_of(record: Record, *, vector: tuple[float, ...] = ()) -> Content:
    return Content(record.text.encode("utf-8", "replace"), media_type="text/plain", vector=vector)


def is_web_address(value: str) -> bool:
    return urlsplit(value.strip()).scheme in {"http", "https"}


def dialect_of(config: VectorImportConfig, *, secret: str) -> Dialect | None:
    """The database at the address; None where the address is that of Qdrant."""
    if is_web_address(config.address):
        return None
    return config.dialect(password=secret, timeout_seconds=600)

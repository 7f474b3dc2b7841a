"""Articles of a Zendesk Guide help center, with their attachments, in the languages that are wanted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, ClassVar

from pydantic import BaseModel, Field, SecretStr, field_validator

from knowledge.connectors.base import Content, ListingItem, RemoteDocument
from knowledge.connectors.readable import is_readable
from knowledge.connectors.rest import RestClient, address_of_api, basic, needed, quoted
from knowledge.connectors.rest_connector import (
    RestConnector,
    Shape,
    attachment_id,
    file_content,
    html_content,
    parent_and_attachment,
)
from magnet.errors import FetchFailed, SourceError

AT_ONCE = 100


class ZendeskConfig(Shape):
    address: str = Field(title="Address", description="Such as https://example.zendesk.com.")
    email: str = Field(title="E-mail", min_length=3, description="Of the account that the API token belongs to.")
    locales: list[str] = Field(
        default=[], title="Languages", description="Such as en-us; empty means the help center's default language."
    )
    only_public: bool = Field(
        default=True,
        title="Only what everybody may read",
        description="Off: articles for a user segment are read too, and only for the group with the segment's name.",
    )
    include_attachments: bool = Field(
        default=True, title="Attachments too", description="Asks once more for each article, which takes longer."
    )

    @field_validator("address")
    @classmethod
    def is_an_address(cls, value: str) -> str:
        return address_of_api(value)


class ZendeskSecrets(Shape):
    token: SecretStr = Field(
        default=SecretStr(""), title="API token", description="From the Admin Center, under “Apps and integrations”."
    )


class ZendeskConnector(RestConnector):
    """Lists completely each time, a hundred articles a request, with the text of those that changed; drafts are left
    out."""

    label: ClassVar[str] = "Zendesk Guide"
    description: ClassVar[str] = "Articles of a Zendesk help center."
    Config: ClassVar[type[BaseModel]] = ZendeskConfig
    Secrets: ClassVar[type[BaseModel]] = ZendeskSecrets
    config: ZendeskConfig
    secrets: ZendeskSecrets

    def found(self) -> str:
        locales = self.locales()
        page = self.api.get(self._articles(locales[0]), {"page[size]": 1})
        if not page["articles"]:
            raise SourceError(f"The help center shows the account no article in {locales[0]}.")
        return f"The help center {self.config.address} lets us read articles in {', '.join(locales)}."

    def documents(self, known: Mapping[str, str]) -> Iterator[ListingItem]:
        for locale in self.locales():
            for article in self.articles(locale):
                document = self.document(article, locale=locale, known=known)
                yield document
                if self.config.include_attachments:
                    yield from self.attachments(article["id"], document)

    def content_of(self, document: RemoteDocument) -> Content:
        parent, attachment = parent_and_attachment(document.remote_id)
        if attachment:
            return self._file(parent, attachment, document)
        locale, _, article_id = parent.partition("/")
        path = f"/api/v2/help_center/{quoted(locale)}/articles/{quoted(article_id)}"
        return content_of(self.api.get(path)["article"])

    def locales(self) -> list[str]:
        """The wanted languages; SourceError where the help center has one of them not."""
        found = self.api.get("/api/v2/help_center/locales")
        missing = sorted(set(self.config.locales) - set(found["locales"]))
        if missing:
            raise SourceError(
                f"The help center has no language {', '.join(missing)}; it has {', '.join(found['locales'])}."
            )
        return self.config.locales or [str(found["default_locale"])]

    def articles(self, locale: str) -> Iterator[dict[str, Any]]:
        """What is published and may be shown."""
        params = {"page[size]": AT_ONCE, "sort_by": "created_at", "sort_order": "asc"}
        pages = self.api.cursor_pages(self._articles(locale), params, parameter="page[after]", cursor_of=next_cursor)
        for page in pages:
            for article in page["articles"]:
                is_public = article.get("user_segment_id") is None
                if not article.get("draft") and (is_public or not self.config.only_public):
                    yield article

    def document(self, article: dict[str, Any], *, locale: str, known: Mapping[str, str]) -> RemoteDocument:
        remote_id, version = f"{locale}/{article['id']}", str(article["updated_at"])
        segment = article.get("user_segment_id")
        return RemoteDocument(
            remote_id=remote_id,
            title=str(article["title"]),
            url=str(article.get("html_url", "")),
            media_type="text/html",
            version=version,
            metadata={"locale": locale, "labels": list(article.get("label_names") or [])},
            groups=None if segment is None else (self.segments.get(str(segment), f"user segment {segment}"),),
            # The listing has brought the text along, so what is new need not be fetched once more.
            content=None if known.get(remote_id) == version else content_of(article),
        )

    def attachments(self, article_id: int, document: RemoteDocument) -> Iterator[RemoteDocument]:
        for item in self._attachments_of(str(article_id)):
            name, kind = str(item["file_name"]), str(item.get("content_type", ""))
            if item.get("inline") or not is_readable(kind, name=name):
                continue
            yield RemoteDocument(
                remote_id=attachment_id(document.remote_id, str(item["id"])),
                title=name,
                url=str(item["content_url"]),
                media_type=kind,
                version=str(item.get("updated_at") or item.get("created_at") or item["id"]),
                metadata={"attached_to": document.remote_id},
                groups=document.groups,
            )

    @cached_property
    def segments(self) -> dict[str, str]:
        """The names of the user segments, which stand for groups."""
        pages = self.api.linked_pages(
            "/api/v2/help_center/user_segments", next_of=lambda page: str(page.get("next_page") or "")
        )
        return {str(segment["id"]): str(segment["name"]) for page in pages for segment in page["user_segments"]}

    @cached_property
    def api(self) -> RestClient:
        sign_in = basic(f"{self.config.email}/token", needed(self.secrets.token, title="API token"))
        return RestClient(self.config.address, name="Zendesk", client=self.outbound, sign_in=sign_in)

    def _articles(self, locale: str) -> str:
        return f"/api/v2/help_center/{quoted(locale)}/articles"

    def _attachments_of(self, article_id: str) -> Iterator[dict[str, Any]]:
        path = f"/api/v2/help_center/articles/{quoted(article_id)}/attachments"
        pages = self.api.linked_pages(path, next_of=lambda page: str(page.get("next_page") or ""))
        for page in pages:
            yield from page["article_attachments"]

    def _file(self, parent: str, attachment: str, document: RemoteDocument) -> Content:
        for item in self._attachments_of(parent.partition("/")[2]):
            if str(item["id"]) == attachment:
                return file_content(
                    self.api, str(item["content_url"]), filename=str(item["file_name"]), media_type=document.media_type
                )
        raise FetchFailed(f"“{document.title}” is no longer attached to its article. Sync again.")


def next_cursor(page: dict[str, Any]) -> str:
    meta = page["meta"]
    return str(meta["after_cursor"]) if meta.get("has_more") else ""


def content_of(article: dict[str, Any]) -> Content:
    return html_content(str(article["title"]), str(article.get("body") or ""))

"""News and blogs by their feed: what it shows is kept, also when it drops out of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from pydantic import BaseModel, Field, SecretStr, field_validator

from knowledge.connectors.base import KEEP_THE_REST, Content, ListingItem, RemoteDocument
from knowledge.connectors.feeds import Entry, Feed, read_feed
from knowledge.connectors.html_pages import as_utf_8
from knowledge.connectors.page_urls import canonical_url
from knowledge.connectors.rest_connector import RestConnector, Shape, html_content
from knowledge.connectors.safe_xml import XmlRefused
from knowledge.connectors.site import MAX_PAGE_BYTES
from magnet.errors import AddressRefused, FetchFailed, SourceError
from magnet.outbound.http import Response, origin_of

MAX_FEED_BYTES = 20 * 1024 * 1024
MAX_REMOTE_ID = 1_000
ACCEPT = "application/atom+xml, application/rss+xml, application/xml;q=0.9, text/xml;q=0.8, */*;q=0.1"


class RssConfig(Shape):
    address: str = Field(title="Address of the feed", description="RSS or Atom, such as https://example.com/feed.xml.")
    fetch_pages: bool = Field(
        default=False,
        title="Read the linked pages",
        description="On where the feed holds only the beginning of each text.",
    )

    @field_validator("address")
    @classmethod
    def is_a_web_address(cls, value: str) -> str:
        url = canonical_url(value)
        if not url:
            raise ValueError("Enter the whole address, such as https://example.com/feed.xml, without a user name.")
        return url


class RssSecrets(Shape):
    """Sent to the host of the feed only."""

    header_name: str = Field(default="", title="Header", description="Such as Authorization.", repr=False)
    header_value: SecretStr = Field(default=SecretStr(""), title="Value of the header")

    @field_validator("header_name")
    @classmethod
    def fits_into_a_header(cls, value: str) -> str:
        if not value.isascii() or not value.isprintable():
            raise ValueError("A header is one line of plain letters, digits and signs, without accents.")
        return value.strip()


class RssConnector(RestConnector):
    """A feed shows only the newest entries, so nothing is ever deleted because it is no longer named.

    `state` holds what the server said of the feed's age (`etag`, `modified`): an unchanged feed is not read again.
    """

    label: ClassVar[str] = "News feed (RSS, Atom)"
    description: ClassVar[str] = "Entries of a blog, a news page or release notes; older ones are kept."
    Config: ClassVar[type[BaseModel]] = RssConfig
    Secrets: ClassVar[type[BaseModel]] = RssSecrets
    config: RssConfig

    def found(self) -> str:
        feed = self._feed(self._asked({}))
        entries = "1 entry" if len(feed.entries) == 1 else f"{len(feed.entries):,} entries"
        return f"The feed “{feed.title or self.config.address}” shows {entries}."

    def documents(self, known: Mapping[str, str]) -> Iterator[ListingItem]:
        yield KEEP_THE_REST
        conditions = {"If-None-Match": self.state.get("etag", ""), "If-Modified-Since": self.state.get("modified", "")}
        response = self._asked({name: value for name, value in conditions.items() if value})
        if response.status == 304:
            return
        feed = self._feed(response)
        yield from (self._document(entry, feed) for entry in feed.entries if len(entry.id) <= MAX_REMOTE_ID)
        self.state["etag"] = response.headers.get("etag", "")
        self.state["modified"] = response.headers.get("last-modified", "")

    def content_of(self, document: RemoteDocument) -> Content:
        """The linked page; or the entry again, while the feed still shows it."""
        if not self.config.fetch_pages:
            for entry in self._feed(self._asked({})).entries:
                if entry.id == document.remote_id:
                    return html_content(entry.title, entry.html)
            raise FetchFailed("The feed no longer shows this entry, and its text was not kept.")
        page = self.outbound.get(document.url, max_bytes=MAX_PAGE_BYTES, secret_headers=self._secrets_for(document.url))
        said = page.headers.get("content-type", "")
        body = as_utf_8(page.body, content_type=said) if page.media_type.startswith("text/") else page.body
        return Content(body, media_type=page.media_type or "text/html")

    def _document(self, entry: Entry, feed: Feed) -> RemoteDocument:
        is_page = self.config.fetch_pages and bool(canonical_url(entry.link))
        facts = {"published": entry.published, "author": entry.author, "feed": feed.title}
        return RemoteDocument(
            remote_id=entry.id,
            title=entry.title,
            url=entry.link,
            media_type="text/html",
            version=f"{'page' if is_page else 'entry'} {entry.version}",
            metadata={
                **{name: value for name, value in facts.items() if value},
                **({"categories": list(entry.categories)} if entry.categories else {}),
            },
            content=None if is_page else html_content(entry.title, entry.html),
        )

    def _asked(self, conditions: Mapping[str, str]) -> Response:
        url = self.config.address
        return self.outbound.get(
            url,
            max_bytes=MAX_FEED_BYTES,
            headers={"Accept": ACCEPT, **conditions},
            secret_headers=self._secrets_for(url),
            accept={304} if conditions else (),
        )

    def _feed(self, response: Response) -> Feed:
        try:
            feed = read_feed(response.body, url=response.url)
        except XmlRefused as error:
            raise SourceError(f"The feed {self.config.address} {error}.") from error
        if feed is None:
            raise SourceError(f"{self.config.address} is XML, but neither RSS nor Atom. Enter the address of the feed.")
        return feed

    def _secrets_for(self, url: str) -> dict[str, str]:
        secrets = self.secrets
        value = secrets.header_value.get_secret_value().strip()
        try:
            is_home = origin_of(url) == origin_of(self.config.address)
        except AddressRefused:
            return {}
        return {secrets.header_name: value} if is_home and secrets.header_name and value else {}

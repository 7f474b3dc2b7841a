"""Pages of a website, found by following its links or from its sitemap."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, ClassVar

from pydantic import BaseModel

from knowledge.connectors.base import Connector, Content, RemoteDocument
from knowledge.connectors.crawl import Crawl, read_whole
from knowledge.connectors.page_memory import PageMemory, PageRecord
from knowledge.connectors.page_urls import canonical_url, path_of
from knowledge.connectors.site import Site, WebsiteConfig, WebsiteSecrets
from knowledge.connectors.sitemaps import MAX_BYTES, pages_of
from magnet.errors import AddressRefused, FetchFailed, ListingFailed
from magnet.outbound.http import OutboundClient, Response, origin_of

SITEMAP_ENDINGS = (".xml", ".xml.gz", ".txt")


class WebsiteConnector(Connector):
    """Lists with the content of every changed page, because crawling has downloaded it anyway.

    `state` keeps the links and ETags of each page, and a `notice` for people where something was left out.
    """

    label: ClassVar[str] = "Website"
    description: ClassVar[str] = "Pages and linked files of a website, from a start page or a sitemap."
    Config: ClassVar[type[BaseModel]] = WebsiteConfig
    Secrets: ClassVar[type[BaseModel]] = WebsiteSecrets

    def __init__(
        self,
        config: Any,
        secrets: Any = None,
        *,
        state: dict[str, Any] | None = None,
        client: OutboundClient | None = None,
    ) -> None:
        super().__init__(config, secrets, state=state)
        self.client = client or OutboundClient()
        self.site = Site(config, secrets, client=self.client)

    def check(self) -> str:
        if self.config.mode == "sitemap":
            found = sum(1 for _ in islice(self._sitemap_pages(), self.config.max_pages + 1))
            more = "more than " * (found > self.config.max_pages)
            return f"Found {more}{min(found, self.config.max_pages):,} pages in the sitemap of {self.config.start_url}."
        crawl = self._crawl({}, before=PageMemory())
        self._refuse_forbidden_start()
        for _ in crawl.documents([self.config.start_url], max_depth=0):
            pass
        start = next(iter(crawl.after.pages.values()))
        links = {link for link in start.links if self.site.has(link)}
        return f"Found “{start.title}” at {self.config.start_url} with {len(links):,} links into the site."

    def list(self, known: Mapping[str, str]) -> Iterator[RemoteDocument]:
        crawl = self._crawl(known, before=PageMemory.from_state(self.state))
        if self.config.mode == "sitemap":
            yield from crawl.documents(self._sitemap_pages(), max_depth=0)
        else:
            self._refuse_forbidden_start()
            yield from crawl.documents([self.config.start_url], max_depth=self.config.max_depth)
        self.state.clear()
        self.state.update(crawl.after.as_state())
        if crawl.notices:
            self.state["notice"] = " ".join(crawl.notices)

    def fetch(self, document: RemoteDocument) -> Content:
        url = document.url or document.remote_id
        try:
            response = self.site.file(url)
        except (AddressRefused, ListingFailed) as error:  # the latter from a robots.txt that cannot be had
            raise FetchFailed(error.detail) from error
        return self._read(response, canonical_url(response.url) or url)[1]

    def close(self) -> None:
        self.client.close()

    def _crawl(self, known: Mapping[str, str], *, before: PageMemory) -> Crawl:
        return Crawl(self.site, known=known, before=before, read=self._read)

    def _read(self, response: Response, url: str) -> tuple[PageRecord, Content]:
        return read_whole(response, url)

    def _refuse_forbidden_start(self) -> None:
        start = self.config.start_url
        if not self.site.is_in_scope(start):
            raise ListingFailed(f"The start address {start} is among the paths to leave out, so nothing can be read.")
        if not self.site.has(start):
            raise ListingFailed(
                f"The robots.txt of {origin_of(start)} forbids reading {start}. Ask the owner to allow it."
            )

    def _sitemap_pages(self) -> Iterator[str]:
        """The pages of the site that its sitemaps name; none at all means wrong settings, not an empty site."""
        named = ours = 0
        for address in pages_of(self._sitemaps(), download=self._download):
            named += 1
            url = canonical_url(address)
            if url and self.site.has(url):
                ours += 1
                yield url
        if not ours:
            raise ListingFailed(
                f"The sitemap of {self.config.start_url} names {named:,} pages, none of which belongs to this source. "
                "Check the paths, robots.txt, and whether its host must be added to “Further hosts”."
            )

    def _sitemaps(self) -> Sequence[str]:
        start = self.config.start_url
        if path_of(start).lower().endswith(SITEMAP_ENDINGS):
            return [start]
        return self.site.robots.sitemaps(origin_of(start)) or [f"{origin_of(start)}/sitemap.xml"]

    def _download(self, url: str) -> bytes:
        try:
            return self.site.file(url, max_bytes=MAX_BYTES).body
        except (FetchFailed, AddressRefused) as error:
            raise ListingFailed(
                f"The sitemap cannot be had: {error.detail} Nothing was deleted.",
                retry_after_seconds=error.retry_after_seconds,
            ) from error

"""One walk through a website: every page once, complete or not at all."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice

import structlog

from knowledge.connectors.base import Content, RemoteDocument
from knowledge.connectors.html_pages import HtmlPage, as_utf_8, read_page
from knowledge.connectors.page_memory import PageMemory, PageRecord
from knowledge.connectors.page_urls import canonical_url, name_of
from knowledge.connectors.readable import VAGUE, media_type_of
from knowledge.connectors.site import GONE, Site
from magnet.errors import AddressRefused, FetchFailed, ListingFailed
from magnet.outbound.http import PASSING_REASONS, Response

log = structlog.get_logger(__name__)

HTML = {"text/html", "application/xhtml+xml"}
# Redirects, missing pages and pages that are no documents cost requests too; a site full of them must end somewhere.
REQUESTS_PER_PAGE = 4


# Makes of an answer, and the address that it came from, what to remember of a page and its content.
PageReader = Callable[[Response, str], tuple[PageRecord, Content]]


class Crawl:
    """Walks breadth first, so that what a limit cuts off is what lies farthest from the start."""

    def __init__(
        self, site: Site, *, known: Mapping[str, str], before: PageMemory, read: PageReader | None = None
    ) -> None:
        self.site = site
        self.read = read or read_whole
        self.known = known
        self.before = before
        self.after = PageMemory()
        self.notices: list[str] = []
        self._waiting: deque[tuple[str, int]] = deque()
        self._met: set[str] = set()
        self._listed: set[str] = set()
        self._left_out: list[str] = []
        self._copies = 0
        self._requests = 0

    def documents(self, start: Iterable[str], *, max_depth: int) -> Iterator[RemoteDocument]:
        """Yield every document of the site that is reached from `start`; ListingFailed where that cannot be known."""
        for url in islice(start, self.site.config.max_pages * REQUESTS_PER_PAGE + 1):
            self._meet(url, depth=0)
        while self._waiting and not self._is_at_the_limit():
            url, depth = self._waiting.popleft()
            self._requests += 1
            for page_url, record, content in self._visit(url):
                self.after.pages[page_url] = record
                for link in record.links if depth < max_depth else ():
                    self._meet(link, depth=depth + 1)
                yield from self._listing_of(page_url, record, content)
        self._sum_up()

    def _meet(self, url: str, *, depth: int) -> None:
        if url not in self._met and self.site.has(url):
            self._met.add(url)
            self._waiting.append((url, depth))

    def _is_at_the_limit(self) -> bool:
        pages = self.site.config.max_pages
        return len(self._listed) >= pages or self._requests >= pages * REQUESTS_PER_PAGE

    def _visit(self, url: str) -> Iterator[tuple[str, PageRecord, Content | None]]:
        """Nothing where there is no page, or the page's final address, what to remember of it, and its content."""
        record = self._record_to_compare(url)
        try:
            response = self.site.page(url, record=record)
        except (FetchFailed, AddressRefused) as error:
            yield from self._without_content(url, error)
            return
        page_url = canonical_url(response.url)
        if response.status == 304 and record is not None:
            yield url, record, None
        elif response.status in GONE or response.redirects_to or not response.is_read:
            self._expect_more_of_the_start(url, response)
        elif page_url == url or self._is_new_target(url, page_url):
            yield page_url, *self.read(response, page_url)

    def _record_to_compare(self, url: str) -> PageRecord | None:
        """Ask "has it changed?" only where the stored document came from this very answer."""
        record = self.before.pages.get(url)
        if record is None or (record.remote_id and self.known.get(record.remote_id) != record.version):
            return None
        return record

    def _is_new_target(self, url: str, page_url: str) -> bool:
        """Whether a redirect led to a page of the site that was not met yet."""
        if self.site.is_start(url):
            self._follow_the_start(page_url)
        if page_url in self._met or not self.site.has(page_url):
            return False
        self._met.add(page_url)
        return True

    def _follow_the_start(self, page_url: str) -> None:
        if not self.site.adopt(page_url):
            raise ListingFailed(f"The start address leads to {page_url}, another site. Enter that address instead.")
        if not self.site.has(page_url):
            raise ListingFailed(f"The start address leads to {page_url}, which robots.txt or “Leave out” forbids.")

    def _expect_more_of_the_start(self, url: str, response: Response) -> None:
        if not self.site.is_start(url):
            return
        if response.status in GONE:
            raise ListingFailed(f"There is no page at the start address {url} (status {response.status}). Correct it.")
        raise ListingFailed(f"The start address {url} is no page that can be read ({response.media_type}).")

    def _without_content(
        self, url: str, error: FetchFailed | AddressRefused
    ) -> Iterator[tuple[str, PageRecord, Content | None]]:
        """A page that could not be had: if too large, it fails alone; all else questions the listing."""
        if error.extra.get("reason") == "too_large" and not self.site.is_start(url):
            # It exists and must not be deleted; fetching it will say why it cannot be read.
            links = self.before.pages[url].links if url in self.before.pages else ()
            yield url, PageRecord(remote_id=url, version="", title=name_of(url), links=links), None
            return
        if self.site.is_start(url) or may_pass(error) or self._was_read_before(url):
            raise ListingFailed(
                f"{error.detail} The listing is not complete, so nothing was deleted. If this page does not matter, "
                f"add its path to “Leave out”.",
                retry_after_seconds=error.retry_after_seconds,
                url=url,
            ) from error
        # Never read, and it will not be read by waiting: such as the link to a members' area.
        self._left_out.append(f"{url} ({error.extra.get('remote_status') or error.extra.get('reason') or 'refused'})")

    def _was_read_before(self, url: str) -> bool:
        """Where the memory is lost but documents are known, any page may have led to them."""
        return url in self.known or url in self.before.pages or (bool(self.known) and not self.before.pages)

    def _listing_of(self, url: str, record: PageRecord, content: Content | None) -> Iterator[RemoteDocument]:
        if not record.remote_id or not self.site.is_document(url):
            return
        # A page may name its original, but only one that this listing could have named itself.
        remote_id = record.remote_id if self.site.has(record.remote_id) else url
        if remote_id in self._listed:
            self._copies += 1
            return
        self._listed.add(remote_id)
        self.after.pages[url] = replace(record, remote_id=remote_id)
        yield RemoteDocument(
            remote_id=remote_id,
            title=record.title,
            url=remote_id,
            media_type=record.media_type,
            version=record.version,
            content=content,
        )

    def _sum_up(self) -> None:
        if self._waiting:
            self.notices.append(
                f"Stopped at the limit of {self.site.config.max_pages:,} pages; at least {len(self._waiting):,} more "
                "were found. Raise “Most pages” or narrow the paths."
            )
        if self._left_out:
            self.notices.append(f"Left out {len(self._left_out):,} unreadable: {', '.join(self._left_out[:5])}.")
        if self._copies:
            self.notices.append(f"{self._copies:,} pages name another page as their original and count as that one.")
        for notice in self.notices:
            log.warning("website_listing_notice", start=self.site.config.start_url, notice=notice)


def may_pass(error: FetchFailed | AddressRefused) -> bool:
    status = error.extra.get("remote_status", 0)
    return error.extra.get("reason") in PASSING_REASONS | {"tls"} or status >= 500 or status in {408, 425, 429}


def read_whole(response: Response, url: str) -> tuple[PageRecord, Content]:
    """What to remember of a page, and its content for the readers."""
    media_type = response.media_type
    if media_type in VAGUE:
        media_type = media_type_of(name_of(url)) or "text/html"
    is_html = media_type in HTML
    content_type = response.headers.get("content-type", "")
    page = html_of(response, url=url) if is_html else HtmlPage(title=name_of(url), links=())
    body = as_utf_8(response.body, content_type=content_type) if media_type.startswith("text/") else response.body
    etag, modified = response.headers.get("etag", ""), response.headers.get("last-modified", "")
    record = PageRecord(
        remote_id=(page.canonical or url) if page.may_index else "",
        version=etag or modified or hashlib.sha256(response.body).hexdigest(),
        title=page.title or name_of(url) or url,
        media_type=media_type,
        etag=etag,
        modified=modified,
        links=page.links,
    )
    return record, Content(body=body, media_type=media_type, filename=name_of(url) + ".html" * is_html)


def html_of(response: Response, *, url: str) -> HtmlPage:
    said = response.headers
    return read_page(
        response.body, url=url, content_type=said.get("content-type", ""), robots=said.get("x-robots-tag", "")
    )

"""What a crawl remembers of each page for the next one, so that an unchanged page costs one short answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class PageRecord:
    """A page as it was last seen. `remote_id` is empty where it is no document of its own (noindex, signposts)."""

    remote_id: str
    version: str
    title: str = ""
    media_type: str = ""
    etag: str = ""
    modified: str = ""
    links: tuple[str, ...] = ()

    @property
    def conditions(self) -> dict[str, str]:
        """The headers that ask for the page only if it has changed."""
        asked = {"If-None-Match": self.etag, "If-Modified-Since": self.modified}
        return {name: value for name, value in asked.items() if value}


class PageMemory:
    """Pages by address. Links repeat on every page of a site, so as JSON each is written once and then numbered."""

    def __init__(self, pages: dict[str, PageRecord] | None = None) -> None:
        self.pages = pages if pages is not None else {}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> PageMemory:
        links = state.get("links", [])
        pages = {}
        for url, kept in state.get("pages", {}).items():
            remote_id, version, title, media_type, etag, modified, numbers = kept
            found = tuple(links[number] for number in numbers)
            pages[url] = PageRecord(remote_id, version, title, media_type, etag, modified, found)
        return cls(pages)

    def as_state(self) -> dict[str, Any]:
        numbers: dict[str, int] = {}
        pages = {}
        for url, page in self.pages.items():
            texts = [page.remote_id, page.version, page.title, page.media_type, page.etag, page.modified]
            pages[url] = [*texts, [numbers.setdefault(link, len(numbers)) for link in page.links]]
        return {"pages": pages, "links": list(numbers)}

"""Documentation sites (MkDocs, Docusaurus, Sphinx, Read the Docs, GitBook): a website, read as the book that it is."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, Field

from knowledge.connectors.base import Content, RemoteDocument
from knowledge.connectors.crawl import HTML
from knowledge.connectors.docs_pages import folder_of, read_docs_page
from knowledge.connectors.page_memory import PageRecord
from knowledge.connectors.rest_connector import html_content
from knowledge.connectors.site import WebsiteConfig
from knowledge.connectors.website import WebsiteConnector
from magnet.errors import ListingFailed
from magnet.outbound.http import OutboundClient, Response

# Folders of other editions, below the start address.
EDITIONS = ("v[0-9]*", "[0-9]*.[0-9]*", "[0-9]*.x", "next", "archive")


class DocsSiteConfig(WebsiteConfig):
    start_url: str = Field(
        title="Start address", description="The first page of the documentation, such as https://docs.example.com/en/."
    )
    mode: Literal["links", "sitemap"] = Field(
        default="links",
        title="Find pages",
        description="In the navigation beside the text, or from the sitemap.",
        json_schema_extra={"labels": {"links": "navigation", "sitemap": "sitemap"}},
    )
    max_depth: int = Field(
        default=50, ge=0, le=50, title="Depth", description="Navigations to open, one from the page of another."
    )
    max_pages: int = Field(default=2_000, ge=1, le=20_000, title="Most pages")
    is_one_section: bool = Field(
        default=True, title="Only below the start address", description="“Only below” is used instead, if it is filled."
    )
    is_one_edition: bool = Field(
        default=True,
        title="One edition only",
        description="Leaves out folders such as 1.2, v3 or next below the start address.",
    )
    main_selector: str = Field(
        default="", title="Place of the text", description="A CSS selector, where the usual ones do not find it."
    )
    navigation_selector: str = Field(
        default="",
        title="Links of the navigation",
        description="A CSS selector of links, such as .menu a, where the usual ones do not find them.",
    )


class DocsSiteConnector(WebsiteConnector):
    """Beside what a website does: it follows the navigation alone, takes the text without its frame, so that a new
    menu changes no document, and notes the section of each page (kept in `state` for pages that did not change)."""

    label: ClassVar[str] = "Documentation site"
    description: ClassVar[str] = "MkDocs, Docusaurus, Sphinx, Read the Docs, GitBook: pages in the order of the menu."
    Config: ClassVar[type[BaseModel]] = DocsSiteConfig

    def __init__(
        self,
        config: Any,
        secrets: Any = None,
        *,
        state: dict[str, Any] | None = None,
        client: OutboundClient | None = None,
    ) -> None:
        super().__init__(bordered(config), secrets, state=state, client=client)
        self._sections: dict[str, str] = {}

    def list(self, known: Mapping[str, str]) -> Iterator[RemoteDocument]:
        before = self.state.get("sections", {})
        for document in super().list(known):
            section = self._sections.setdefault(document.url, before.get(document.url, ""))
            yield replace(document, metadata={"section": section}) if section else document
        self.state["sections"] = {url: section for url, section in self._sections.items() if section}

    def _read(self, response: Response, url: str) -> tuple[PageRecord, Content]:
        record, content = super()._read(response, url)
        if record.media_type not in HTML:
            return record, content
        page = read_docs_page(
            response.body,
            url=url,
            content_type=response.headers.get("content-type", ""),
            start=self.config.start_url,
            main=self.config.main_selector,
            navigation=self.config.navigation_selector,
        )
        self._expect_a_navigation(url, page.links)
        if record.remote_id:
            self._sections[record.remote_id] = page.section
        record = replace(record, links=page.links if record.links else (), title=page.title or record.title)
        if not page.main:
            return record, content
        version = hashlib.sha256(f"{page.title}\0{page.main}".encode()).hexdigest()
        return replace(record, version=version), html_content("", page.main, filename=content.filename)

    def _expect_a_navigation(self, url: str, links: tuple[str, ...]) -> None:
        """Without its navigation, a whole book would seem to be one page."""
        is_followed = self.config.mode == "links" and self.site.is_start(url)
        if is_followed and not any(link != url and self.site.is_in_scope(link) for link in links):
            raise ListingFailed(
                f"The start page {url} has no navigation that can be read, so nothing was deleted. Name its links in "
                "“Links of the navigation”, or find pages from the sitemap."
            )


def bordered(config: DocsSiteConfig) -> DocsSiteConfig:
    """With the borders that the start address implies."""
    folder = folder_of(config.start_url)
    include, exclude = config.include_paths, config.exclude_paths
    if config.is_one_section and not include and folder:
        include = [folder]
    if config.is_one_edition:
        exclude = [*exclude, *(f"{folder}/{edition}/**" for edition in EDITIONS)]
    return config.model_copy(update={"include_paths": include, "exclude_paths": exclude})

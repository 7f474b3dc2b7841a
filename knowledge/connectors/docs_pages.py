"""A page of documentation without its frame: the text, its place in the book, and the links of its navigation."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from knowledge.connectors.html_pages import text_of, title_of
from knowledge.connectors.page_urls import canonical_url, path_of

if TYPE_CHECKING:
    from selectolax.lexbor import LexborHTMLParser, LexborNode

# Where the text stands: MkDocs, Docusaurus, Sphinx and Read the Docs, GitBook, and what well-made pages do.
MAIN = (
    "article.md-content__inner",
    "article .theme-doc-markdown",
    "div.theme-doc-markdown",
    "article[role=main]",
    "div.body[role=main]",
    "div.document [role=main]",
    "[role=main]",
    "main article",
    "main",
    "article",
)
# What belongs to the frame although it stands in the text.
FRAME = (
    "script, style, template, nav, aside:not(.topic):not(.footnote-list):not(.admonition), button, .headerlink, "
    ".hash-link, .md-content__button, .md-source-file, .theme-doc-footer, .theme-doc-toc-mobile, .pagination-nav, "
    ".theme-edit-this-page, [role=navigation], .prev-next-area"
)
NAVIGATION = (
    "nav a[href], aside a[href], [role=navigation] a[href], .toctree-wrapper a[href], a[rel=next], link[rel=next]"
)
BREADCRUMBS = (
    ".wy-breadcrumbs li",
    ".breadcrumbs__item",
    ".md-path__item",
    "nav[aria-label*=readcrumb] li",
    "[class*=breadcrumb] li",
)
NOT_A_SECTION = re.compile(r"^(|»|/|home|docs|documentation|view page source|edit on .*)$", re.IGNORECASE)


@dataclass(frozen=True)
class DocsPage:
    """`main` is HTML; it is empty where nobody can tell the text from its frame."""

    title: str
    main: str
    links: tuple[str, ...]
    section: str


def read_docs_page(body: bytes, *, url: str, content_type: str, start: str, main: str, navigation: str) -> DocsPage:
    """Read a page; `main` and `navigation` are selectors of the person who knows the site, or nothing."""
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(text_of(body, content_type=content_type))
    links = [canonical_url(node.attributes.get("href") or "", base=url) for node in tree.css(navigation or NAVIGATION)]
    section = section_of(tree) or section_in(url, start=start)
    found = main_of(tree, [main] if main else MAIN)
    heading = found.css_first("h1") if found else None
    title = heading_text(heading) if heading else title_of(tree)
    return DocsPage(title, without_frame(found), tuple(dict.fromkeys(filter(None, links))), section)


def main_of(tree: LexborHTMLParser, selectors: tuple[str, ...] | list[str]) -> LexborNode | None:
    return next((node for selector in selectors if (node := tree.css_first(selector))), None)


def without_frame(main: LexborNode | None) -> str:
    if main is None:
        return ""
    for node in main.css(FRAME):
        node.decompose()
    return main.html or ""


def heading_text(heading: LexborNode) -> str:
    """Without the sign that links to the heading."""
    return " ".join(heading.text().split()).rstrip("¶#\u200b\uf0c1 ").strip()


def section_of(tree: LexborHTMLParser) -> str:
    """The breadcrumbs above a page, without the page itself."""
    for selector in BREADCRUMBS:
        steps = [" ".join(node.text().split()).strip("»/ ") for node in tree.css(selector)]
        named = [step for step in steps if not NOT_A_SECTION.match(step)]
        if steps:
            return " > ".join(named[:-1])
    return ""


def section_in(url: str, *, start: str) -> str:
    """Where a page has no breadcrumbs, the folders of its address tell."""
    folder = folder_of(start)
    path = path_of(url).removeprefix(folder).strip("/")
    return " > ".join(path.split("/")[:-1]) if urlsplit(url).netloc == urlsplit(start).netloc else ""


def folder_of(url: str) -> str:
    """The path up to its last slash: /docs/v2 for /docs/v2/index.html."""
    return path_of(url).rpartition("/")[0]

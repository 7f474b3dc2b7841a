"""What a crawler reads from a page: its title, its links, and what its author asks of robots."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from knowledge.connectors.page_urls import canonical_url

if TYPE_CHECKING:
    from selectolax.lexbor import LexborHTMLParser

CHARSET_IN_HEADER = re.compile(r"charset\s*=\s*[\"']?([\w.:-]+)", re.IGNORECASE)
CHARSET_IN_HTML = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?([\w.:-]+)", re.IGNORECASE)
REFRESH = re.compile(r"^\s*(\d+)[\d.]*\s*[;,]\s*(?:url\s*=\s*)?[\"']?([^\"'>]+)", re.IGNORECASE)
MAX_TITLE = 500
# A page that sends its visitors on within this time is a signpost, not a document.
QUICK_REFRESH_SECONDS = 5


@dataclass(frozen=True)
class HtmlPage:
    title: str
    links: tuple[str, ...]
    # Empty unless the page names another address as its original.
    canonical: str = ""
    may_index: bool = True


def read_page(body: bytes, *, url: str, content_type: str = "", robots: str = "") -> HtmlPage:
    """Read a page as a crawler does. `robots` is the X-Robots-Tag header."""
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(text_of(body, content_type=content_type))
    base = attribute(tree, "base[href]", "href")
    base = canonical_url(base, base=url) or url
    wishes = {wish.strip().lower() for wish in (robots + "," + robots_meta(tree)).split(",")}
    sent_on = refresh_target(tree, base=base)
    may_follow = not wishes & {"nofollow", "none"}
    links = ([sent_on] if sent_on else []) + links_of(tree, base=base)
    canonical = canonical_url(attribute(tree, 'link[rel~="canonical" i][href]', "href"), base=base)
    return HtmlPage(
        title=title_of(tree),
        links=tuple(dict.fromkeys(links)) if may_follow else (),
        canonical=canonical if canonical != url else "",
        may_index=not sent_on and not wishes & {"noindex", "none"},
    )


def text_of(body: bytes, *, content_type: str) -> str:
    return body.decode(charset_of(body, content_type=content_type) or "utf-8", errors="replace")


def charset_of(body: bytes, *, content_type: str) -> str:
    """Byte order mark, then header, then the page's own word; empty where nobody says anything we know."""
    if body.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    in_html = CHARSET_IN_HTML.search(body[:4096])
    named = (header_charset(content_type), in_html[1].decode("ascii", "ignore") if in_html else "")
    return next((name for name in named if is_charset(name)), "")


def header_charset(content_type: str) -> str:
    found = CHARSET_IN_HEADER.search(content_type)
    return found[1] if found else ""


def is_charset(name: str) -> bool:
    try:
        return bool(name) and codecs.lookup(name)._is_text_encoding  # "base64" and "zip" are codecs too
    except LookupError:
        return False


def as_utf_8(body: bytes, *, content_type: str) -> bytes:
    """Where only the HTTP header knows the character set, the bytes must carry it on: readers see no headers."""
    charset = header_charset(content_type)
    if not is_charset(charset) or codecs.lookup(charset).name == "utf-8" or body.startswith(codecs.BOM_UTF8):
        return body
    return codecs.BOM_UTF8 + body.decode(charset, errors="replace").encode()


def title_of(tree: LexborHTMLParser) -> str:
    for selector in ("head > title", "title", "h1"):
        node = tree.css_first(selector)
        title = " ".join(node.text().split()) if node else ""
        if title:
            return title[:MAX_TITLE]
    return ""


def robots_meta(tree: LexborHTMLParser) -> str:
    nodes = tree.css('meta[name="robots" i], meta[name="magnet" i]')
    return ",".join(node.attributes.get("content") or "" for node in nodes)


def refresh_target(tree: LexborHTMLParser, *, base: str) -> str:
    found = REFRESH.match(attribute(tree, 'meta[http-equiv="refresh" i]', "content"))
    if not found or int(found[1]) > QUICK_REFRESH_SECONDS:
        return ""
    target = canonical_url(found[2], base=base)
    return target if target != base else ""


def links_of(tree: LexborHTMLParser, *, base: str) -> list[str]:
    found = []
    for node in tree.css("a[href], area[href]"):
        if "nofollow" not in (node.attributes.get("rel") or "").lower().split():
            found.append(canonical_url(node.attributes.get("href") or "", base=base))
    return [link for link in found if link]


def attribute(tree: LexborHTMLParser, selector: str, name: str) -> str:
    node = tree.css_first(selector)
    return (node.attributes.get(name) or "") if node else ""

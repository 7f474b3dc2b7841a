"""RSS 2.0 and Atom as their readers see them: entries with an id, a title, a link, a date and a text."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from html import unescape
from urllib.parse import urljoin
from xml.etree.ElementTree import Element, tostring

from knowledge.connectors.safe_xml import child, local, text, tree_of

BASE = "{http://www.w3.org/XML/1998/namespace}base"
# The whole text, where a feed has it beside a summary.
CONTENT = "{http://purl.org/rss/1.0/modules/content/}encoded"


@dataclass(frozen=True)
class Entry:
    """One entry; `html` is its text as the feed carries it, `published` an ISO date or nothing."""

    id: str
    title: str
    link: str
    html: str
    published: str
    author: str
    categories: tuple[str, ...]

    @property
    def version(self) -> str:
        parts = (self.title, self.link, self.html, self.published, self.author, *self.categories)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()


@dataclass(frozen=True)
class Feed:
    title: str
    entries: tuple[Entry, ...]


def read_feed(body: bytes, *, url: str) -> Feed | None:
    """The feed in an answer, or None where it is no feed. Raises XmlRefused."""
    root = tree_of(body)
    if local(root.tag) == "feed":
        items = [item for item in root if local(item.tag) == "entry"]
        entries = (atom_entry(item, base=urljoin(url, root.get(BASE, ""))) for item in items)
        return Feed(plain_title(root), tuple(unique(entries)))
    channel = child(root, "channel")
    if local(root.tag) not in {"rss", "RDF"} or channel is None:
        return None
    # RSS 1.0 (RDF) has its items beside the channel.
    items = [item for parent in (channel, root) for item in parent if local(item.tag) == "item"]
    return Feed(plain_title(channel), tuple(unique(rss_entry(item, base=url) for item in items)))


def unique(entries: Iterator[Entry]) -> Iterator[Entry]:
    """Each id once: the first is the newest. What has neither id nor link cannot be told from others."""
    seen = set()
    for entry in entries:
        if entry.id and entry.id not in seen:
            seen.add(entry.id)
            yield entry


def rss_entry(item: Element, *, base: str) -> Entry:
    link = urljoin(base, text(item, "link")) if text(item, "link") else ""
    guid = child(item, "guid")
    if not link and guid is not None and guid.get("isPermaLink", "true") == "true":
        link = (guid.text or "").strip()
    whole = item.find(CONTENT)
    return Entry(
        id=text(item, "guid") or link,
        title=plain_title(item),
        link=link,
        html=(whole.text or "") if whole is not None else text(item, "description"),
        published=date_of(text(item, "pubDate") or text(item, "date")),
        author=text(item, "creator") or text(item, "author"),
        categories=tuple(found.text.strip() for found in item if local(found.tag) == "category" and found.text),
    )


def atom_entry(item: Element, *, base: str) -> Entry:
    base = urljoin(base, item.get(BASE, ""))
    author = child(item, "author")
    return Entry(
        id=text(item, "id") or atom_link(item, base=base),
        title=plain_title(item),
        link=atom_link(item, base=base),
        html=atom_text(item, "content") or atom_text(item, "summary"),
        published=date_of(text(item, "updated") or text(item, "published")),
        author=text(author, "name") if author is not None else "",
        categories=tuple(found.get("term", "") for found in item if local(found.tag) == "category"),
    )


def atom_link(item: Element, *, base: str) -> str:
    links = [found for found in item if local(found.tag) == "link" and found.get("href")]
    alternate = [found for found in links if found.get("rel", "alternate") == "alternate"]
    return urljoin(base, (alternate or links)[0].get("href", "")) if links else ""


def atom_text(item: Element, name: str) -> str:
    """As HTML, whichever of the three types an Atom text construct has (RFC 4287, 3.1)."""
    found = child(item, name)
    if found is None:
        return ""
    if found.get("type") == "xhtml":
        return "".join(tostring(inner, encoding="unicode", method="html") for inner in plain_names(found))
    said = (found.text or "").strip()
    return said if found.get("type") == "html" else as_paragraphs(said)


def plain_names(element: Element) -> Element:
    for inner in element.iter():
        inner.tag = local(inner.tag)
    return element


def as_paragraphs(said: str) -> str:
    safe = said.replace("&", "&amp;").replace("<", "&lt;")
    return "".join(f"<p>{part}</p>" for part in safe.split("\n\n") if part.strip())


def plain_title(element: Element) -> str:
    """Titles may hold entities twice over, and markup."""
    return " ".join(unescape(text(element, "title")).split())


def date_of(said: str) -> str:
    """RFC 822 (RSS) or RFC 3339 (Atom) as an ISO date; nothing for what is neither."""
    try:
        moment = datetime.fromisoformat(said) if said[:4].isdecimal() else parsedate_to_datetime(said)
    except ValueError:
        return ""
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()

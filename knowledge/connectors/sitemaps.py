"""The list of pages that a website gives to robots: sitemaps, packed or plain, and indexes of sitemaps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from xml.parsers import expat

from magnet.errors import ListingFailed
from magnet.outbound.decompression import unpacked

# The limits of sitemaps.org, with some air.
MAX_BYTES = 60 * 1024 * 1024
MAX_SITEMAPS = 1_000
MAX_DEPTH = 3


def pages_of(start: Sequence[str], *, download: Callable[[str], bytes]) -> Iterator[str]:
    """Yield the address of every page, sitemap by sitemap. `download` returns the bytes or raises ListingFailed."""
    waiting, seen = [(url, 0) for url in reversed(start)], set(start)
    while waiting:
        url, depth = waiting.pop()
        pages, sitemaps = read_sitemap(plain(download(url), url=url), url=url)
        yield from pages
        fresh = [sitemap for sitemap in dict.fromkeys(sitemaps) if sitemap not in seen]
        seen.update(fresh)
        if fresh and (depth >= MAX_DEPTH or len(seen) > MAX_SITEMAPS):
            raise ListingFailed(f"The sitemap {url} names too many further sitemaps. Give one of them as the start.")
        waiting.extend((sitemap, depth + 1) for sitemap in reversed(fresh))


def plain(body: bytes, *, url: str) -> bytes:
    """Unpacked, whatever the name says, within the limit."""
    if not body.startswith(b"\x1f\x8b"):
        return body
    whole = bytearray()
    try:
        for part in unpacked([body]):
            whole += part
            if len(whole) > MAX_BYTES:
                raise ListingFailed(f"The sitemap {url} unpacks to more than {MAX_BYTES // 1024 // 1024} MB.")
    except ValueError as error:
        raise ListingFailed(f"The sitemap {url} cannot be unpacked: {error}") from error
    return bytes(whole)


def read_sitemap(body: bytes, *, url: str) -> tuple[list[str], list[str]]:
    """The pages and the further sitemaps that one sitemap names."""
    if not body.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return lines_of(body, url=url), []
    reader = SitemapReader(url)
    try:
        reader.parser.Parse(body, True)
    except expat.ExpatError as error:
        if b"<html" in body[:2_000].lower():
            raise not_a_sitemap(url) from error
        raise ListingFailed(f"The sitemap {url} is damaged: {error}.") from error
    if not reader.is_sitemap:
        raise not_a_sitemap(url)
    return reader.pages, reader.sitemaps


def lines_of(body: bytes, *, url: str) -> list[str]:
    """A sitemap may be a plain list of addresses."""
    lines = [line.strip() for line in body.decode("utf-8-sig", errors="replace").splitlines() if line.strip()]
    if not all(line.startswith(("http://", "https://")) for line in lines):
        raise not_a_sitemap(url)
    return lines


def not_a_sitemap(url: str) -> ListingFailed:
    return ListingFailed(f"{url} is not a sitemap. Give the address of the sitemap, or choose to follow links.")


class SitemapReader:
    """Collects <loc> while the parser runs. No document type, hence no entities: neither bombs nor files."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.is_sitemap = False
        self.pages: list[str] = []
        self.sitemaps: list[str] = []
        self._inside: list[str] = []
        self._text: list[str] = []
        self.parser = expat.ParserCreate()
        self.parser.StartDoctypeDeclHandler = self._refuse_doctype
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text.append

    def _refuse_doctype(self, *_: object) -> None:
        raise ListingFailed(f"The sitemap {self.url} declares a document type, which a sitemap must not have.")

    def _start(self, name: str, _: object) -> None:
        self._inside.append(name.rpartition(":")[2].lower())
        self._text.clear()
        self.is_sitemap = self.is_sitemap or self._inside[0] in {"urlset", "sitemapindex"}

    def _end(self, _: str) -> None:
        path = self._inside[-2:]
        address = "".join(self._text).strip()
        if path == ["url", "loc"] and address:
            self.pages.append(address)
        elif path == ["sitemap", "loc"] and address:
            self.sitemaps.append(address)
        self._inside.pop()
        self._text.clear()

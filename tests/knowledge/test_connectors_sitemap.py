"""A website by its sitemap: all of its parts, or nothing."""

from __future__ import annotations

import gzip

import pytest

from knowledge.connectors import sitemaps
from magnet.errors import ListingFailed
from tests.fake_website import FakeWebsite, Page
from tests.knowledge.test_connectors_website import listed, paths, site, website

__all__ = ["site"]  # a fixture

XML = "application/xml"


def urlset(site: FakeWebsite, *pages: str) -> str:
    entries = "".join(
        f"<url><loc> {site.url}{page} </loc><image:image><image:loc>x</image:loc></image:image></url>" for page in pages
    )
    return (
        '<?xml version="1.0"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" '
        f'xmlns:image="http://www.google.com/schemas/sitemap-image/1.1">{entries}</urlset>'
    )


def index(site: FakeWebsite, *maps: str) -> str:
    return (
        "<sitemapindex>"
        + "".join(f"<sitemap><loc>{site.url}{map_}</loc></sitemap>" for map_ in maps)
        + "</sitemapindex>"
    )


def two_parts(site: FakeWebsite) -> str:
    """An index with a plain and a packed part; links on the pages lead further."""
    site.routes["/sitemap.xml"] = Page(index(site, "/1.xml", "/2.xml.gz", "/1.xml", "/sitemap.xml"), media_type=XML)
    site.routes["/1.xml"] = Page(urlset(site, "/a", "/b"), media_type=XML)
    packed = gzip.compress(urlset(site, "/c?x=1&amp;y=2", "/b").encode())
    site.routes["/2.xml.gz"] = Page(packed, media_type="application/gzip")
    for page in ("/a", "/b", "/c?x=1&y=2"):
        site.page(page, "/not-in-the-sitemap")
    return f"{site.url}/sitemap.xml"


def test_every_part_of_an_index_is_read_once_and_links_are_not_followed(site):
    start = two_parts(site)

    assert paths(website(start, mode="sitemap"), site) == ["/a", "/b", "/c?x=1&y=2"]
    assert site.paths().count("/1.xml") == 1
    assert website(start, mode="sitemap").check() == f"Found 4 pages in the sitemap of {start}."


def test_the_sitemap_is_found_from_the_site(site):
    two_parts(site)
    assert len(listed(website(site.url, mode="sitemap"))) == 3

    site.routes["/robots.txt"] = Page(f"Sitemap: {site.url}/1.xml", media_type="text/plain")
    assert paths(website(site.url, mode="sitemap"), site) == ["/a", "/b"]


def test_a_plain_list_of_addresses_is_a_sitemap(site):
    site.routes["/pages.txt"] = Page(f"{site.url}/a\n\n{site.url}/b\r\n", media_type="text/plain")
    site.page("/a")
    site.page("/b")

    assert paths(website(f"{site.url}/pages.txt", mode="sitemap"), site) == ["/a", "/b"]


@pytest.mark.parametrize("status", [401, 404, 500])
def test_a_missing_part_is_no_listing(site, status):
    start = two_parts(site)
    site.routes["/2.xml.gz"] = Page(status=status)

    with pytest.raises(ListingFailed, match=rf"2\.xml\.gz answered with status {status}.*Nothing was deleted"):
        listed(website(start, mode="sitemap"))


@pytest.mark.parametrize(
    ("body", "because"),
    [
        (
            '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><urlset><url><loc>&e;</loc></url></urlset>',
            "document type",
        ),
        ("<!doctype html><html>Not found, said kindly</html>", "is not a sitemap"),
        ("<rss/>", "is not a sitemap"),
        ("Not found", "is not a sitemap"),
        ("<urlset><url><loc>http://x/</loc>", "is damaged"),
        (gzip.compress(b"<urlset/>" * 99, mtime=0)[:-9], "cannot be unpacked"),
        ("<urlset/>", "names 0 pages"),
        ("<urlset><url><loc>https://elsewhere.example/</loc></url></urlset>", "names 1 pages, none of which belongs"),
    ],
)
def test_what_is_no_sitemap_of_this_site_is_named(site, body, because):
    site.routes["/sitemap.xml"] = Page(body, media_type=XML)

    with pytest.raises(ListingFailed, match=because):
        listed(website(site.url, mode="sitemap"))


def test_a_sitemap_that_is_a_bomb_is_stopped(site, monkeypatch):
    monkeypatch.setattr(sitemaps, "MAX_BYTES", 1024 * 1024)
    site.routes["/sitemap.xml"] = Page(gzip.compress(b" " * 50_000_000, mtime=0), media_type=XML)

    with pytest.raises(ListingFailed, match="unpacks to more than 1 MB"):
        listed(website(site.url, mode="sitemap"))


def test_indexes_of_indexes_end(site):
    for depth in range(9):
        site.routes[f"/{depth}.xml"] = Page(index(site, f"/{depth + 1}.xml"), media_type=XML)

    with pytest.raises(ListingFailed, match="too many further sitemaps"):
        listed(website(f"{site.url}/0.xml", mode="sitemap"))


def test_a_sitemap_of_many_pages_is_cut_at_the_limit_and_says_so(site):
    pages = [f"/{number}" for number in range(300)]
    site.routes["/sitemap.xml"] = Page(urlset(site, *pages), media_type=XML)
    for page in pages:
        site.page(page)
    connector = website(site.url, mode="sitemap", max_pages=50)

    assert len(listed(connector)) == 50
    assert "limit of 50 pages" in connector.state["notice"]

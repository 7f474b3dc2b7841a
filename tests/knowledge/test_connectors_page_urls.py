"""However a page is linked, it has one address."""

from __future__ import annotations

import pytest

from knowledge.connectors.page_urls import canonical_url


@pytest.mark.parametrize(
    ("link", "address"),
    [
        ("HTTP://Example.COM:80/a#part", "http://example.com/a"),
        ("https://example.com:443", "https://example.com/"),
        ("https://example.com:8443/a", "https://example.com:8443/a"),
        ("b", "https://example.com/x/b"),
        ("../b/./c/..", "https://example.com/b/"),
        ("../../../b", "https://example.com/b"),
        ("/web/2026//http://other", "https://example.com/web/2026//http://other"),
        ("//other.example/a", "https://other.example/a"),
        ("?page=2&utm_source=x&gclid=1&b=", "https://example.com/x/y?page=2&b="),
        ("?b=2&a=1", "https://example.com/x/y?b=2&a=1"),
        ("/%7eme/%c3%a4/%2F", "https://example.com/~me/%C3%A4/%2F"),
        ("/ä b\n", "https://example.com/%C3%A4%20b"),
        ("https://bücher.example/ä", "https://xn--bcher-kva.example/%C3%A4"),
        ("http://[::1]:8080/a", "http://[::1]:8080/a"),
        ("mailto:me@example.com", ""),
        ("javascript:alert(1)", ""),
        ("data:text/html,x", ""),
        ("http://me:x@example.com/", ""),
        ("http://[::1/", ""),
        ("http://example.com:99999/", ""),
        ("http:///a", ""),
        ("/" + "a" * 1_000, ""),
    ],
)
def test_one_spelling_for_each_page(link, address):
    assert canonical_url(link, base="https://example.com/x/y") == address

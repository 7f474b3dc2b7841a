"""A website as a knowledge source: every page of it once, and nothing deleted because a server had a bad minute."""

from __future__ import annotations

import pytest

from knowledge.connectors.base import RemoteDocument
from knowledge.connectors.site import WebsiteConfig, WebsiteSecrets
from knowledge.connectors.website import WebsiteConnector
from magnet.errors import FetchFailed, ListingFailed
from magnet.outbound.http import OutboundClient
from tests.fake_website import FakeWebsite, Page, fake_website, with_etag


@pytest.fixture
def site(settings):
    settings.ALLOWED_PRIVATE_HOSTS = ["127.0.0.1"]
    with fake_website() as site:
        yield site


def website(start: str, *, state=None, secrets: WebsiteSecrets | None = None, **config) -> WebsiteConnector:
    client = OutboundClient(timeout_seconds=1, total_seconds=3, attempts=2, first_wait_seconds=0.01)
    settings = WebsiteConfig(start_url=start, **{"delay_seconds": 0, **config})
    return WebsiteConnector(settings, secrets, state=state, client=client)


def listed(connector: WebsiteConnector, known: dict[str, str] | None = None) -> dict[str, RemoteDocument]:
    documents = list(connector.list(known or {}))
    assert len({document.remote_id for document in documents}) == len(documents)
    return {document.remote_id: document for document in documents}


def paths(connector: WebsiteConnector, site: FakeWebsite, known: dict[str, str] | None = None) -> list[str]:
    return [remote_id.removeprefix(site.url) for remote_id in listed(connector, known)]


def versions(documents: dict[str, RemoteDocument]) -> dict[str, str]:
    return {remote_id: document.version for remote_id, document in documents.items()}


# -- Finding pages -------------------------------------------------------------------------------------------


def test_follows_links_and_brings_the_pages_along(site):
    start = site.page("/", "/a", "b/", "https://elsewhere.example/", "mailto:me@example.com", title="Home")
    site.page("/a", "/", "#top", "javascript:void(0)", "tel:123", title="Page  A\n")
    site.page("/b/", "../a?utm_source=x&page=2#part", title="B")
    site.page("/a?page=2", title="A, continued")

    documents = listed(website(start))

    assert list(documents) == [site.url + path for path in ("/", "/a", "/b/", "/a?page=2")]
    page = documents[f"{site.url}/a"]
    assert (page.title, page.url, page.media_type) == ("Page A", f"{site.url}/a", "text/html")
    assert b"Some text." in page.content.body
    assert len(page.version) == 64


def test_links_in_every_script_and_spelling_are_one_page_each(site):
    start = site.page("/", "/übersicht", "/%C3%BCbersicht", "/%c3%bcbersicht#x", "/文書", "/a/../%7Eme", "/~me", "/ /b")
    for path in ("/%C3%BCbersicht", "/%E6%96%87%E6%9B%B8", "/~me", "/%20/b"):
        site.page(path)

    assert paths(website(start), site) == ["/", "/%C3%BCbersicht", "/%E6%96%87%E6%9B%B8", "/~me", "/%20/b"]


def test_depth_and_paths_are_borders(site):
    start = site.page("/", "/help/1", "/blog/1")
    site.page("/help/1", "/help/2", "/helpless")
    site.page("/help/2", "/help/3", "/help/archive/old", "/help/2/print")
    site.page("/help/3")

    assert paths(website(start, max_depth=2), site) == ["/", "/help/1", "/help/2"]
    below = website(start, include_paths=["/help"], exclude_paths=["/help/archive/", "**/print"])
    assert paths(below, site) == ["/help/1", "/help/2", "/help/3"]
    assert "/help/archive/old" not in site.paths()


def test_a_limit_of_pages_is_said_not_hidden(site):
    start = site.page("/", *(f"/{number}" for number in range(10)))
    for number in range(10):
        site.page(f"/{number}")
    connector = website(start, max_pages=4)

    assert len(listed(connector)) == 4
    assert "limit of 4 pages; at least 7 more" in connector.state["notice"]


def test_an_endless_calendar_ends(site):
    for month in range(200):
        site.page(
            f"/calendar?month={month}", f"/calendar?month={month + 1}", head='<meta name="robots" content="noindex">'
        )

    assert listed(website(f"{site.url}/calendar?month=0", max_pages=10, max_depth=50)) == {}
    assert len(site.paths()) <= 41


def test_a_page_may_name_its_original_or_ask_to_be_left_out(site):
    start = site.page("/", "/copy", "/hidden", "/dead-end", "/quiet", "/signpost")
    site.page("/copy", head='<link rel="canonical" href="/original">', text="Copied.")
    site.page("/original")
    site.page("/hidden", "/behind", head='<meta name="ROBOTS" content="NOINDEX">')
    site.page("/behind")
    site.page("/dead-end", "/unseen", head='<meta name="robots" content="nofollow">')
    site.page("/quiet", "/behind", headers={"X-Robots-Tag": "noindex"})
    site.page("/signpost", head='<meta http-equiv="refresh" content="0; url=/target/">')
    site.page("/target/")

    assert sorted(paths(website(start), site)) == ["/", "/behind", "/dead-end", "/original", "/target/"]


def test_robots_txt_is_obeyed(site):
    rules = (
        "User-agent: *\nDisallow: /\n\nUser-agent: Magnet\nDisallow: /private\nAllow: /private/open\nDisallow: /*?print"
    )
    site.routes["/robots.txt"] = Page(rules, media_type="text/plain")
    start = site.page("/", "/private/a", "/private/open", "/b?print=1", "/b")
    for path in ("/private/a", "/private/open", "/b?print=1", "/b"):
        site.page(path)

    assert paths(website(start), site) == ["/", "/private/open", "/b"]
    with pytest.raises(ListingFailed, match=r"robots\.txt of .* forbids"):
        listed(website(f"{site.url}/private/a"))


def test_linked_files_that_readers_know_are_documents_too(site):
    start = site.page("/", "/guide.pdf", "/film.mp4", "/download?id=1", "/picture", "/next.js")
    site.routes["/guide.pdf"] = Page(b"%PDF-1.7", media_type="application/octet-stream", headers={"ETag": '"7"'})
    site.routes["/download?id=1"] = Page("a,b", media_type="text/csv")
    site.routes["/picture"] = Page(b"\x89PNG", media_type="image/png")
    site.page("/next.js", title="Next.js")

    documents = listed(website(start))

    assert [id_.removeprefix(site.url) for id_ in documents] == ["/", "/guide.pdf", "/download?id=1", "/next.js"]
    guide = documents[f"{site.url}/guide.pdf"]
    assert (guide.media_type, guide.title, guide.version) == ("application/pdf", "guide.pdf", '"7"')
    assert guide.content.filename == "guide.pdf"
    assert "/film.mp4" not in site.paths()


def test_a_character_set_that_only_the_header_names_survives(site):
    body = "<title>Größe</title>Größe".encode("cp1252")
    site.routes["/"] = Page(body, media_type="text/html; charset=windows-1252")

    (page,) = listed(website(site.url)).values()

    assert page.title == "Größe"
    assert "Größe" in page.content.body.decode()


# -- Borders and redirects -----------------------------------------------------------------------------------


def test_a_page_that_redirects_off_the_site_is_not_part_of_it(site):
    with fake_website("127.0.0.2") as inner:
        start = site.page("/", "/in", "/out", "/trap", "/ring")
        site.routes["/in"] = Page(status=301, headers={"Location": "/new"})
        site.page("/new")
        site.routes["/out"] = Page(status=302, headers={"Location": "https://elsewhere.example/"})
        site.routes["/trap"] = Page(status=302, headers={"Location": f"{inner.url}/secret"})
        site.routes["/ring"] = Page(status=302, headers={"Location": "/ring"})
        connector = website(start)

        assert paths(connector, site) == ["/", "/new"]
        assert "/ring (redirects)" in connector.state["notice"]
        assert inner.calls == []


def test_a_start_page_that_redirects_to_a_private_address_is_refused(site):
    with fake_website("127.0.0.2") as inner:
        site.routes["/"] = Page(status=302, headers={"Location": f"{inner.url}/secret"})

        with pytest.raises(ListingFailed, match=r"127\.0\.0\.2.*MAGNET_ALLOWED_PRIVATE_HOSTS"):
            listed(website(site.url))
        assert inner.calls == []


def test_a_private_site_that_nobody_allowed_is_refused(site, settings):
    settings.ALLOWED_PRIVATE_HOSTS = []
    start = site.page("/")

    with pytest.raises(ListingFailed, match="MAGNET_ALLOWED_PRIVATE_HOSTS"):
        listed(website(start))
    with pytest.raises(FetchFailed, match="MAGNET_ALLOWED_PRIVATE_HOSTS"):
        website(start).fetch(RemoteDocument(start))


def test_a_start_page_may_lead_into_the_same_site_but_not_to_another(site, settings):
    settings.ALLOWED_PRIVATE_HOSTS = ["127.0.0.0/8"]
    site.routes["/"] = Page(status=302, headers={"Location": "/en/"})
    site.page("/en/", "/en/a")
    site.page("/en/a")

    assert paths(website(site.url), site) == ["/en/", "/en/a"]
    with fake_website("127.0.0.2") as other:
        other.page("/")
        site.routes["/"] = Page(status=302, headers={"Location": other.url})
        with pytest.raises(ListingFailed, match=r"leads to http://127\.0\.0\.2:\d+/, another site"):
            listed(website(site.url))


def test_further_hosts_belong_when_named_and_never_see_the_password(site, settings):
    settings.ALLOWED_PRIVATE_HOSTS = ["127.0.0.0/8"]
    with fake_website("127.0.0.2") as other:
        start = site.page("/", f"{other.url}/docs")
        other.page("/docs")
        secrets = WebsiteSecrets(username="me", password="secret", header_name="X-Api-Key", header_value="k")

        assert len(listed(website(start, hosts=[f"127.0.0.2:{other.port}"], secrets=secrets))) == 2
        assert site.calls[-1].headers["Authorization"] == "Basic bWU6c2VjcmV0"
        assert site.calls[-1].headers["X-Api-Key"] == "k"
        assert all("Authorization" not in call.headers and "X-Api-Key" not in call.headers for call in other.calls)
        assert "secret" not in repr(secrets)


# -- The second time -----------------------------------------------------------------------------------------


def test_unchanged_pages_are_not_sent_again_but_their_links_are_still_followed(site):
    start = site.page("/", "/a")
    site.page("/a", "/b", title="A")
    site.page("/b")
    for path in ("/", "/a"):
        site.routes[path] = with_etag(site.routes[path], f'"{path}"')
    first = website(start)
    documents = listed(first)
    site.calls.clear()

    again = listed(website(start, state=first.state), known=versions(documents))

    assert versions(again) == versions(documents)
    assert [page.content is None for page in again.values()] == [True, True, False]
    assert again[f"{site.url}/a"].title == "A"
    assert [call.headers.get("If-None-Match") for call in site.calls[1:]] == ['"/"', '"/a"', None]


def test_a_page_whose_last_version_was_not_stored_is_sent_again(site):
    start = site.page("/")
    site.routes["/"] = with_etag(site.routes["/"], '"1"')
    first = website(start)
    listed(first)

    (page,) = listed(website(start, state=first.state), known={}).values()

    assert page.content is not None


def test_a_page_that_is_gone_is_not_listed(site):
    start = site.page("/", "/a", "/b")
    site.page("/a")
    site.routes["/b"] = Page(status=410)

    assert paths(website(start), site, known={f"{site.url}/a": "1", f"{site.url}/b": "1"}) == ["/", "/a"]


# -- Complete or not at all ----------------------------------------------------------------------------------

BAD_MINUTES = {
    "429": Page("slow down", status=429, headers={"Retry-After": "3600"}),
    "500": Page("oops", status=500),
    "503": Page("maintenance", status=503),
    "late": Page("late", pause_seconds=1.5),
    "cut off": Page("half", is_cut_off=True),
}


@pytest.mark.parametrize("minute", BAD_MINUTES)
def test_half_a_listing_is_no_listing(site, minute):
    start = site.page("/", "/a", "/bad")
    site.page("/a")
    site.routes["/bad"] = BAD_MINUTES[minute]
    connector = website(start, state={"pages": {}, "links": []})
    listing = connector.list({})

    assert [next(listing).remote_id for _ in range(2)] == [start, f"{site.url}/a"]
    with pytest.raises(ListingFailed, match=r"/bad .*nothing was deleted.*Leave out"):
        next(listing)
    assert connector.state == {"pages": {}, "links": []}


def test_a_busy_page_is_asked_again(site):
    start = site.page("/", "/a")
    site.routes["/a"] = [Page(status=429, headers={"Retry-After": "0"}), Page("<title>A</title>")]

    assert paths(website(start), site) == ["/", "/a"]


@pytest.mark.parametrize("status", [401, 403])
def test_a_page_behind_a_sign_in_is_left_out_unless_it_was_read_before(site, status):
    start = site.page("/", "/members")
    site.page("/members")
    first = website(start)
    known = versions(listed(first))
    site.routes["/members"] = Page(status=status)
    newcomer = website(start)

    assert paths(newcomer, site) == ["/"]
    assert f"/members ({status})" in newcomer.state["notice"]
    for state in (first.state, None):
        with pytest.raises(ListingFailed, match=f"/members answered with status {status}"):
            listed(website(start, state=state), known)


@pytest.mark.parametrize("status", [401, 404, 500])
def test_a_start_page_that_fails_is_named(site, status):
    site.routes["/"] = Page(status=status)

    with pytest.raises(ListingFailed, match=f"{site.url}/.*status {status}"):
        listed(website(site.url))


def test_a_robots_txt_that_fails_is_no_permission(site):
    start = site.page("/")
    site.routes["/robots.txt"] = Page(status=500)

    with pytest.raises(ListingFailed, match=r"robots\.txt answered with status 500"):
        listed(website(start))


def test_a_huge_page_is_a_document_that_fails_alone(site):
    start = site.page("/", "/huge", "/large")
    site.routes["/huge"] = Page(b"x" * (26 * 1024 * 1024))
    site.page("/large", text="word " * 2_000_000)
    connector = website(start)

    documents = listed(connector)

    assert len(documents[f"{site.url}/large"].content.body) > 10_000_000
    assert documents[f"{site.url}/huge"].content is None
    with pytest.raises(FetchFailed, match="/huge is larger than 25 MB"):
        connector.fetch(documents[f"{site.url}/huge"])


# -- Testing the connection and fetching one -----------------------------------------------------------------


def test_says_what_it_found(site):
    start = site.page("/", "/a", "/b", "https://elsewhere.example/", title="Help")

    assert website(start).check() == f"Found “Help” at {site.url}/ with 2 links into the site."
    with pytest.raises(ListingFailed, match="There is no page at the start address"):
        website(f"{site.url}/nothing").check()


def test_fetches_one_page(site):
    site.page("/a", title="A")

    content = website(site.url).fetch(RemoteDocument(f"{site.url}/a", url=f"{site.url}/a"))

    assert (content.media_type, content.filename) == ("text/html", "a.html")
    with pytest.raises(FetchFailed, match="status 404"):
        website(site.url).fetch(RemoteDocument(f"{site.url}/gone"))


@pytest.mark.parametrize("address", ["ftp://example.com", "example.com", "http://me:x@example.com/", "http://[", ""])
def test_a_start_address_that_is_none_is_refused_in_the_form(address):
    with pytest.raises(ValueError, match="Enter the whole address"):
        WebsiteConfig(start_url=address)


@pytest.mark.parametrize("value", ["a\r\nHost: inner", "Schlüssel"])
def test_a_header_that_is_none_is_refused_in_the_form(value):
    with pytest.raises(ValueError, match="one line of plain letters"):
        WebsiteSecrets(header_name="X-Api-Key", header_value=value)

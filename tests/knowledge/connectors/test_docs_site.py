"""A documentation site as a knowledge source: the pages of its menu, in order, without menus in their texts."""

from __future__ import annotations

import pytest

from knowledge.connectors.docs_site import DocsSiteConfig, DocsSiteConnector
from knowledge.models import Document
from magnet.errors import ListingFailed
from tests import factories
from tests.fake_website import Page, fake_website, with_etag
from tests.knowledge.connectors.fake_api import impatient_client
from tests.knowledge.connectors.fakes.docs_sites import docusaurus, mkdocs, read_the_docs

MENU = ["/docs/", "/docs/zoë/", "/docs/guides/install/", "/docs/guides/install/#step", "/docs/about/"]


@pytest.fixture
def site():
    with fake_website() as site:
        book(site)
        yield site


def book(site, *, menu=MENU, footer="2026", **texts):
    for title, path in {"Home": "", "Zoë": "zo%C3%AB/", "Install": "guides/install/", "About": "about/"}.items():
        text = texts.get(title.lower(), f"The text of {title}.")
        site.routes[f"/docs/{path}"] = Page(mkdocs(title, text, menu, footer=footer))


def docs(site, start="/docs/", *, state=None, **fields):
    config = DocsSiteConfig(start_url=site.url + start, **{"delay_seconds": 0, **fields})
    return DocsSiteConnector(config, None, state=state, client=impatient_client())


def listed(connector, known=None):
    return {document.remote_id: document for document in connector.list(known or {})}


def titles(connector):
    return [document.title for document in listed(connector).values()]


def test_the_menu_is_followed_in_its_order_and_links_in_texts_are_not(site):
    found = list(listed(docs(site)).values())

    assert [document.title for document in found] == ["Home", "Zoë", "Install", "About"]
    assert "/elsewhere" not in site.paths()
    assert found[2].metadata == {"section": "guides"}
    assert docs(site).check() == f"Found “Home” at {site.url}/docs/ with 4 links into the site."


def test_only_the_text_of_a_page_is_kept(site):
    body = listed(docs(site))[f"{site.url}/docs/about/"].content.body.decode()

    assert "The text of About." in body
    assert not [word for word in ("Search", "/docs/guides", "2026", "Edit", "¶") if word in body]


def test_a_new_menu_or_footer_changes_no_document(site):
    before = {remote_id: document.version for remote_id, document in listed(docs(site)).items()}
    book(site, menu=[*MENU, "/docs/new/"], footer="2027", install="Another text.")

    after = listed(docs(site), before)

    assert [key for key, document in after.items() if before[key] != document.version] == [
        f"{site.url}/docs/guides/install/"
    ]


def test_the_pages_of_docusaurus_and_read_the_docs_know_their_section(site):
    menu = ["/en/stable/", "/en/stable/a.html", "/en/stable/b.html", "/en/latest/", "/en/stable/1.2/old.html"]
    site.routes["/en/stable/"] = Page(docusaurus("Start", "Welcome.", menu, crumbs=[]))
    site.routes["/en/stable/a.html"] = Page(docusaurus("A", "Text A.", menu, crumbs=["Home", "Guides", "Größe"]))
    site.routes["/en/stable/b.html"] = Page(read_the_docs("B", "Text B.", menu, crumbs=["Reference"]))

    found = listed(docs(site, "/en/stable/"))

    assert [document.title for document in found.values()] == ["Start", "A", "B"]
    assert [dict(document.metadata) for document in found.values()] == [
        {},
        {"section": "Guides > Größe"},
        {"section": "Reference"},
    ]
    assert b"View page source" not in found[f"{site.url}/en/stable/b.html"].content.body
    # Neither another branch of the book nor an older edition of it.
    assert not {"/en/latest/", "/en/stable/1.2/old.html"} & set(site.paths())


def test_the_section_of_an_unchanged_page_is_remembered(site):
    path = "/docs/guides/install/"
    site.routes[path] = with_etag(Page(docusaurus("Install", "Text.", MENU, crumbs=["Guides"])), '"1"')
    first = docs(site)
    known = {remote_id: document.version for remote_id, document in listed(first).items()}

    again = listed(docs(site, state=first.state), known)[site.url + path]

    assert again.content is None
    assert again.metadata == {"section": "Guides"}


def test_the_sitemap_and_own_selectors_can_be_used(site):
    pages = "".join(f"<url><loc>{site.url}{path}</loc></url>" for path in ("/docs/about/", "/docs/2.0/x/", "/blog/"))
    site.routes["/sitemap.xml"] = Page(f"<urlset>{pages}</urlset>", media_type="application/xml")
    site.routes["/docs/about/"] = Page("<div class=frame>Menu</div><div id=text><h1>About us</h1>Only this.</div>")

    (document,) = listed(docs(site, mode="sitemap", main_selector="#text")).values()

    assert document.title == "About us"
    assert b"Only this." in document.content.body
    assert b"Menu" not in document.content.body
    assert titles(docs(site, navigation_selector=".md-nav li:nth-child(3) a")) == ["Home", "Install"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Page("", status=401), "asks for a sign-in"),
        (Page("", status=429, headers={"Retry-After": "3600"}), "slow down"),
        (Page("", status=500), "has a fault"),
    ],
)
def test_half_a_book_deletes_nothing(site, answer, said):
    first = docs(site)
    known = {remote_id: document.version for remote_id, document in listed(first).items()}
    site.routes["/docs/about/"] = answer

    with pytest.raises(ListingFailed, match=said):
        listed(docs(site, state=first.state), known)


def test_a_start_page_without_its_menu_is_no_book_of_one_page(site):
    site.routes["/docs/"] = Page("<main><h1>Loading</h1></main><script src=app.js></script>")

    with pytest.raises(ListingFailed, match="has no navigation that can be read, so nothing was deleted"):
        listed(docs(site))


@pytest.mark.django_db(transaction=True)
def test_two_syncs_bring_a_book_up_to_date(site, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    config = {"start_url": f"{site.url}/docs/", "delay_seconds": 0}
    source = factories.source("docs", connector="docs_site", config=config, deletion_guard_percent=50)
    assert factories.sync_now(source).receipt["live"] == 4
    book(site, menu=MENU[:-1], footer="New", install="Press the button.")

    receipt = factories.sync_now(source).receipt

    assert (receipt["seen"], receipt["changed"], receipt["unchanged"], receipt["deleted"]) == (3, 1, 2, 1)
    changed = Document.objects.get(title="Install")
    assert "Press the button." in changed.text
    assert changed.metadata == {"section": "guides"}

"""HubSpot: what is published, as visitors see it; drafts, other languages and private pages stay out."""

from __future__ import annotations

import pytest

from knowledge.connectors.base import RemoteDocument
from magnet.errors import FetchFailed, ListingFailed
from tests.fake_website import Page
from tests.knowledge.connectors.fake_api import running
from tests.knowledge.connectors.fakes.hubspot import FakeHubSpot


@pytest.fixture
def hubspot():
    with running(FakeHubSpot) as hubspot:
        yield hubspot


def listed(connector):
    return {document.remote_id: document for document in connector.list({})}


def test_only_what_is_published_in_a_wanted_language_is_listed(hubspot):
    hubspot.put_post("1", body="<p>Hello</p>")
    hubspot.put_post("2", body="", currentState="DRAFT", currentlyPublished=False)
    hubspot.put_post("3", body="", language="de")
    hubspot.put_post("4", body="", currentState="PUBLISHED_OR_SCHEDULED", currentlyPublished=False)
    hubspot.put_post("5", body="", archivedInDashboard=True)

    assert set(listed(hubspot.connector(languages=["en"]))) == {"blog-posts/1"}
    assert set(listed(hubspot.connector())) == {"blog-posts/1", "blog-posts/3"}


def test_pages_and_articles_are_read_where_visitors_read_them_without_the_token(hubspot):
    hubspot.put_page("about", text="We are swordfish.")
    hubspot.put_page("offer", kind="landing-pages", text="Cheap!")
    hubspot.put_page("reset", kind="knowledge-articles", text="Press reset.")
    connector = hubspot.connector(include_landing_pages=True, include_knowledge_articles=True)
    documents = listed(connector)

    assert set(documents) == {"site-pages/about", "landing-pages/offer", "knowledge-articles/reset"}
    page = connector.fetch(documents["site-pages/about"])
    assert b"swordfish" in page.body
    assert page.media_type.startswith("text/html")
    (visit,) = hubspot.asked("/about")
    # The fake has one address for API and website; HubSpot has two, and the token stays at that of the API.
    assert "Authorization" not in visit.headers


def test_a_private_page_is_not_mistaken_for_its_sign_in(hubspot):
    hubspot.put_page("inside", text="Secret")
    connector = hubspot.connector()
    documents = listed(connector)
    hubspot.fail("/inside", Page(status=302, headers={"Location": "/_hcms/mem/login?redirect_url=x"}))

    with pytest.raises(FetchFailed, match="not open to visitors"):
        connector.fetch(documents["site-pages/inside"])


def test_something_must_be_chosen_and_foreign_ids_are_refused(hubspot):
    with pytest.raises(ListingFailed, match="Choose at least one"):
        hubspot.connector(include_site_pages=False, include_blog_posts=False).check()
    with pytest.raises(FetchFailed, match="no document of HubSpot"):
        hubspot.connector().fetch(RemoteDocument("../account/1"))

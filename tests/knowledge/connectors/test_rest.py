"""What all API connectors share: whole listings or none, tokens that stay at home, refusals in plain words."""

from __future__ import annotations

import pytest

from knowledge.connectors.rest import (
    RestClient,
    Token,
    TokenSignIn,
    address_of_api,
    bearer,
    fetching,
    listing,
    needed,
    with_params,
)
from magnet.errors import FetchFailed, ListingFailed, SourceError
from tests.fake_website import Page, fake_website
from tests.knowledge.connectors.fake_api import FAULT, FakeApi, as_json, impatient_client, query_of, running, sent_json


class Wiki(FakeApi):
    """Five items in pages of two, by cursor and by offset."""

    authorization = "Bearer good"

    def respond(self, call):
        if call.path.startswith("/cursor"):
            start = int(query_of(call).get("after", 0))
            return as_json({"items": [start, start + 1], "after": start + 2 if start < 4 else None})
        if call.path.startswith("/offset"):
            start = int(query_of(call)["start"])
            return as_json({"items": list(range(start, min(start + 2, 5)))})
        if call.path.startswith("/search"):
            start = sent_json(call).get("cursor", 0)
            return as_json({"items": [start], "next": start + 1 if start < 2 else None})
        if call.path.startswith("/html"):
            return Page("<html>Sign in</html>")
        return super().respond(call)


@pytest.fixture
def wiki():
    with running(Wiki) as wiki:
        yield wiki


def rest(api, token="good", **more):
    return RestClient(api.url, name="The wiki", client=impatient_client(), **{"sign_in": bearer(token), **more})


def items(pages):
    return [item for page in pages for item in page["items"]]


def test_all_kinds_of_pages_are_read_to_the_end(wiki):
    client = rest(wiki)
    by_cursor = client.cursor_pages("/cursor", parameter="after", cursor_of=lambda page: page["after"])
    by_offset = client.offset_pages("/offset", items_of=lambda page: page["items"], size=2)
    by_search = client.posted_pages("/search", {}, parameter="cursor", cursor_of=lambda page: page["next"])

    assert items(by_cursor) == [0, 1, 2, 3, 4, 5]
    assert items(by_offset) == [0, 1, 2, 3, 4]
    assert items(by_search) == [0, 1, 2]


def test_a_circle_of_pages_ends(wiki):
    wiki.fail("/cursor", *[as_json({"items": [1], "after": "same"}) for _ in range(9)])

    with pytest.raises(FetchFailed, match="same next page twice"):
        list(rest(wiki).cursor_pages("/cursor", parameter="after", cursor_of=lambda page: page["after"]))


def test_a_next_page_elsewhere_is_refused_and_the_token_stays_at_home(wiki, settings):
    settings.ALLOWED_PRIVATE_HOSTS = ["127.0.0.0/8"]
    with fake_website("127.0.0.2") as thief:
        thief.page("/file")
        wiki.fail("/linked", as_json({"next": f"{thief.url}/page"}))
        wiki.fail("/moved", Page(status=302, headers={"Location": f"{thief.url}/file"}))

        with pytest.raises(FetchFailed, match="another host"):
            list(rest(wiki).linked_pages("/linked", next_of=lambda page: page["next"]))
        rest(wiki).download("/moved")
        rest(wiki).download(f"{thief.url}/file")

        assert [call.path for call in thief.calls] == ["/file", "/file"]
        assert all("Authorization" not in call.headers for call in thief.calls)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (as_json({"message": "No."}, status=401), r"The token was refused by The wiki \(status 401\).*“No”"),
        (as_json({"error": {"message": "Scope"}}, status=403), r"The token was refused.*for /cursor.*right.*“Scope”"),
        (as_json([{"errorCode": "X", "message": "No field Y"}], status=400), "does not accept.*“No field Y”"),
        (Page(status=404), "knows no /cursor"),
        (Page(status=429, headers={"Retry-After": "3600"}), "slow down.*3,600 seconds"),
        (FAULT, "has a fault"),
        (Page("<html>"), "where JSON was expected"),
    ],
)
def test_every_refusal_is_a_sentence_and_a_listing_says_that_nothing_was_deleted(wiki, answer, said):
    wiki.fail("/cursor", answer, answer)

    with pytest.raises(FetchFailed, match=said), fetching():
        rest(wiki).get("/cursor")
    with pytest.raises(ListingFailed, match=f"{said}.*Nothing was deleted") as caught, listing():
        rest(wiki).get("/cursor")

    if answer.status == 429:
        assert caught.value.retry_after_seconds == 3600


def test_a_token_that_ends_early_is_renewed_once(wiki):
    tokens = iter(["good", "bad", "good"])
    asked = []

    def ask():
        asked.append(next(tokens))
        return Token(asked[-1], lasts_seconds=3600)

    client = rest(wiki, sign_in=TokenSignIn(ask))
    client.get("/cursor")
    wiki.authorization = "Bearer better"
    with pytest.raises(FetchFailed, match="token was refused"):
        client.get("/cursor")
    wiki.authorization = "Bearer good"

    assert client.get("/cursor")["items"] == [0, 1]
    assert asked == ["good", "bad", "good"]
    assert "good" not in repr(Token("good", 1))


def test_a_question_that_is_posted_may_be_asked_again(wiki):
    wiki.fail("/search", Page(status=503))

    assert rest(wiki).post("/search", {})["items"] == [0]


def test_a_private_host_that_nobody_allowed_is_a_failed_listing(wiki, settings):
    settings.ALLOWED_PRIVATE_HOSTS = []

    with pytest.raises(ListingFailed, match="MAGNET_ALLOWED_PRIVATE_HOSTS"), listing():
        rest(wiki).get("/cursor")


def test_secrets_and_addresses_are_checked_before_anything_is_sent():
    from pydantic import SecretStr

    with pytest.raises(SourceError, match="Enter “API token”"):
        needed(SecretStr(" "), title="API token")
    with pytest.raises(SourceError, match="Copy it once more"):
        needed(SecretStr("a\nb"), title="API token")
    with pytest.raises(ValueError, match="whole address"):
        address_of_api("wiki.example.com")
    assert address_of_api(" https://wiki.example.com/base/ ") == "https://wiki.example.com/base"
    assert with_params("https://a/b?c=1", {"d": "x y", "e": None, "f": True}) == "https://a/b?c=1&d=x%20y&f=true"

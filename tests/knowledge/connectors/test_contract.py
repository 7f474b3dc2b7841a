"""What every connector to an API promises, proved against a fake of each: all or nothing, and words for people."""

from __future__ import annotations

import json

import pytest

from knowledge.connectors import CONNECTORS
from knowledge.connectors.base import Gone, RemoteDocument
from knowledge.models import Document, IndexedDocument
from magnet.errors import FetchFailed, ListingFailed
from tests import factories
from tests.fake_website import Page
from tests.knowledge.connectors.fake_api import FAULT, SLOW_DOWN, FakeApi, as_json, running
from tests.knowledge.connectors.fakes import FAKES

COUNT = 5


@pytest.fixture(params=list(FAKES))
def api(request):
    with running(FAKES[request.param]) as api:
        for number in range(1, COUNT + 1):
            api.put(number, f"The password of room {number} is swordfish{number}.")
        yield api


def listed(connector, known=None):
    items = list(connector.list(known or {}))
    documents = [item for item in items if isinstance(item, RemoteDocument)]
    assert len({document.remote_id for document in documents}) == len(documents)
    return {document.remote_id: document for document in documents}


def ids(api: FakeApi, *numbers: int) -> set[str]:
    return {api.remote_id(number) for number in numbers}


def test_every_page_of_the_listing_is_read_to_the_end(api):
    documents = listed(api.connector())

    assert set(documents) == ids(api, *range(1, COUNT + 1))
    assert len(api.asked(api.second_page)) + sum(api.second_page.encode() in call.body for call in api.calls) >= 1
    for document in documents.values():
        assert document.title
        assert document.version
        assert document.url.startswith("http")


def test_a_document_is_read_with_its_media_type(api):
    connector = api.connector()
    document = listed(connector)[api.remote_id(3)]
    content = connector.fetch(document)

    assert b"swordfish3" in content.body
    assert content.media_type.partition(";")[0] in ("text/html", "text/markdown", "text/plain")


def test_what_did_not_change_keeps_its_version_and_is_not_sent_along(api):
    first = listed(api.connector())
    versions = {key: document.version for key, document in first.items()}
    api.put(2, "The password is octopus.")
    second = listed(api.connector(), known=versions)

    assert [key for key in second if second[key].version != versions[key]] == [api.remote_id(2)]
    assert all(second[key].content is None for key in second if key != api.remote_id(2))


@pytest.mark.parametrize(
    "answer",
    [FAULT, SLOW_DOWN, as_json({"message": "no"}, status=401), Page("<html>"), as_json({"x": []}), as_json([])],
)
def test_half_a_listing_is_no_listing(api, answer):
    api.fail(api.second_page, *[answer] * 4)

    with pytest.raises(ListingFailed, match="Nothing was deleted") as caught:
        list(api.connector().list({}))

    assert caught.value.retry_after_seconds == (3600 if answer is SLOW_DOWN else None)


def test_a_moment_of_too_much_is_waited_for(api):
    api.fail(api.second_page, as_json({"message": "Wait"}, status=429, Retry_After="0"))

    assert set(listed(api.connector())) == ids(api, *range(1, COUNT + 1))


def test_a_refused_token_is_said_in_the_test_of_the_connection_and_while_reading(api):
    document = listed(api.connector())[api.remote_id(1)]
    api.lock()

    with pytest.raises(ListingFailed, match="token was refused"):
        api.connector().check()
    with pytest.raises(ListingFailed, match="token was refused"):
        list(api.connector().list({}))
    if not api.reads_in_public:
        with pytest.raises(FetchFailed, match="token was refused"):
            api.connector().fetch(document)


def test_a_connection_is_tested_with_a_sentence(api):
    assert api.connector().check().endswith(".")


def test_a_missing_secret_is_asked_for_by_its_name(api):
    connector = api.connector()
    connector.secrets = type(connector).Secrets()

    with pytest.raises(ListingFailed, match="Enter “"):
        connector.check()


def test_a_document_that_is_gone_and_a_server_that_fails_are_one_failed_document(api):
    connector = api.connector()
    document = listed(connector)[api.remote_id(1)]
    api.remove(1)

    with pytest.raises(FetchFailed):
        api.connector().fetch(document)


@pytest.mark.django_db(transaction=True)
def test_a_sync_brings_changes_and_deletions_and_balances(api, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    config, secrets = api.settings()
    shaped = CONNECTORS[api.kind].Config.model_validate(config).model_dump(mode="json")
    source = factories.source(connector=api.kind, config=shaped)
    source.set_secrets(secrets)
    source.save()

    first = factories.sync_now(source)
    api.put(2, "The password is octopus.")
    api.remove(3)
    second = factories.sync_now(source)
    third = factories.sync_now(source)

    assert (first.status, first.error, first.receipt["live"], first.receipt["added"]) == ("done", "", COUNT, COUNT)
    assert (second.status, second.changed, second.deleted, second.receipt["live"]) == ("done", 1, 1, COUNT - 1)
    assert (third.changed, third.added, third.deleted, third.chunks_embedded) == (0, 0, 0, 0)
    assert set(IndexedDocument.objects.values_list("state", flat=True)) == {"live"}
    assert not Document.objects.filter(remote_id=api.remote_id(3)).exists()
    assert "octopus" in Document.objects.get(remote_id=api.remote_id(2)).text


@pytest.mark.django_db(transaction=True)
def test_a_listing_that_fails_deletes_nothing(api, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    config, secrets = api.settings()
    source = factories.source(connector=api.kind, config=config)
    source.set_secrets(secrets)
    source.save()
    factories.sync_now(source)
    api.lock()
    run = factories.sync_now(source)

    assert (run.status, "Nothing was deleted" in run.error) == ("failed", True)
    assert Document.objects.count() == COUNT


@pytest.mark.parametrize("kind", sorted({fake.kind for fake in FAKES.values()}))
def test_every_kind_explains_itself_and_keeps_its_secrets(kind):
    connector = CONNECTORS[kind]

    assert connector.label
    assert connector.description.endswith(".")
    for shape in (connector.Config, connector.Secrets):
        for name, info in shape.model_fields.items():
            assert info.title, f"{name} of {kind} has no title"
    secrets = connector.Secrets.model_validate(dict.fromkeys(connector.Secrets.model_fields, "swordfish"))
    assert "swordfish" not in repr(secrets)
    assert "swordfish" not in json.dumps(secrets.model_dump(mode="json"))


def test_gone_is_only_for_listings_by_a_cursor(api):
    assert not [item for item in api.connector().list({}) if isinstance(item, Gone)]

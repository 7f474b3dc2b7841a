"""Staff map metadata in rows, see on a document what filters see of it, and filter a trial search without JSON."""

from __future__ import annotations

import pytest
from django.urls import reverse

from knowledge.models import Document, KnowledgeSource
from knowledge.uploads import PushedDocument
from magnet import gateway
from magnet.database import close_raw_pool
from tests import factories
from tests.knowledge.test_admin_sources import chunker

pytestmark = pytest.mark.django_db(transaction=True)

MAPPING = [{"name": "signed", "from": "Signed on", "type": "date"}]


@pytest.fixture
def contracts(settings, tmp_path):
    from knowledge import sync, uploads

    settings.MEDIA_ROOT = tmp_path
    source = factories.source("contracts")
    documents = [
        PushedDocument("a", title="Alpha", text="A contract of Ada.", metadata={"Signed on": "2024-05-31", "n": 5}),
        PushedDocument("b", title="Beta", text="A contract of Eve.", metadata={"Signed on": 17, "n": 6}),
    ]
    sync.run_to_end(uploads.push(source, documents).run)
    return source


def form_of(source, **rows):
    return {
        "name": source.name, "slug": source.slug, "deletion_guard_percent": "20",
        "embedding_model": source.embedding_model_id, "schedule": "manual", "time_zone": "UTC", **chunker(), **rows,
    }  # fmt: skip


def url_of(source, route="change"):
    return reverse(f"admin:knowledge_knowledgesource_{route}", args=[source.pk])


def rows(*given):
    parts = ("name", "from", "type")
    return {
        f"metadata_fields-{n}-{part}": said
        for n, row in enumerate(given)
        for part, said in zip(parts, row, strict=True)
    }


def test_rows_say_what_filters_see_and_suggest_what_documents_carry(owner, contracts):
    page = owner.get(url_of(contracts)).content.decode()
    assert "<td>Signed on</td>" in page
    assert "What the documents carry" in page

    filled = rows(("signed", "Signed on", "date"), ("", "n", "number"), ("", "", "text"))
    saved = owner.post(url_of(contracts), form_of(contracts, **filled))

    assert saved.status_code == 302, saved.content.decode()
    stored = KnowledgeSource.objects.get().metadata_fields
    assert stored == [*MAPPING, {"name": "n", "from": "n", "type": "number"}]
    assert "the tab “Index” offers a re-index" in owner.get(saved.headers["Location"]).content.decode()
    offer = owner.get(url_of(contracts, "index")).content.decode()
    assert "all, as the source gives it" in offer
    assert "signed (date), n (number)" in offer
    assert "none: all vectors are used again" in offer


def test_whoever_may_only_look_reads_the_mapping_in_words(member, contracts):
    KnowledgeSource.objects.update(metadata_fields=MAPPING)

    page = member("Viewer").get(url_of(contracts)).content.decode()

    assert "Signed on · Name in filters: signed · Type: date" in page


def test_rows_that_cannot_be_used_stay_on_the_page_with_a_sentence(owner, contracts):
    refused = owner.post(url_of(contracts), form_of(contracts, **rows(("n", "n", "text"), ("n", "m", "number"))))

    said = refused.content.decode()
    assert refused.status_code == 200
    assert "The field “n” is named twice" in said
    assert 'value="m"' in said


def test_the_page_of_a_document_shows_what_filters_see_and_what_does_not_fit(owner, contracts):
    contracts.indexes.update(metadata_fields=MAPPING)
    alpha, beta = (
        owner.get(reverse("admin:knowledge_document_change", args=[document.pk])).content.decode()
        for document in Document.objects.order_by("remote_id")
    )

    assert "What filters see" in alpha
    assert "signed" in alpha
    assert "1 value does not fit" not in alpha
    assert "1 value does not fit" in beta
    assert "signed: 17 is no date" in beta


@pytest.fixture
def _searching():
    yield
    gateway.run_from_sync(close_raw_pool())


@pytest.mark.usefixtures("_searching")
def test_a_trial_search_is_filtered_by_picking_a_field_a_comparison_and_a_value(owner, contracts):
    asked = {"q": "contract", "field": ["n", "", ""], "comparison": ["gte", "eq", "eq"], "value": ["6", "", ""]}

    page = owner.get(url_of(contracts, "search"), asked).content.decode()

    assert "The filter leaves 1 document." in page
    assert ("Beta" in page, "Alpha" in page) == (True, False)
    wrong = owner.get(url_of(contracts, "search"), {**asked, "value": ["soon", "", ""]}).content.decode()
    assert "“n” is a number, so “gte” takes a number, not “soon”." in wrong
    unknown = owner.get(url_of(contracts, "search"), {"q": "x", "field": "m", "comparison": "exists", "value": ""})
    assert "There is no field “m” to filter by." in unknown.content.decode()

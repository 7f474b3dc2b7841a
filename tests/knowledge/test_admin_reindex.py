"""The tab “Index” of a source: the wish, what it takes, the building, the comparison, the switch and the undo."""

from __future__ import annotations

import pytest
from django.urls import reverse

from knowledge import reindex, uploads
from knowledge.models import KnowledgeIndex, KnowledgeSource
from knowledge.uploads import PushedDocument
from magnet import gateway
from magnet.database import close_raw_pool, forget_configuration
from tests import factories
from tests.knowledge.reindexing import ask_for_chunks_of, built, source_that_wants_small_chunks

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _searches_end_here(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path / "files"
    forget_configuration()
    yield
    gateway.run_from_sync(close_raw_pool())


def address(source: KnowledgeSource, route: str) -> str:
    return reverse(f"admin:knowledge_knowledgesource_{route}", args=[source.pk])


def read(client, source: KnowledgeSource, route: str = "index", **query: str) -> str:
    return client.get(address(source, route), query).content.decode()


def test_a_wish_is_told_with_what_differs_and_what_it_takes(owner):
    source = source_that_wants_small_chunks()

    assert "Re-index to use them" in read(owner, source, "overview")
    page = read(owner, source)

    assert "These settings differ from what serves" in page
    assert "Longest chunk (tokens)" in page
    assert "Tokens to embed" in page
    assert "free with this model" in page
    assert "Re-index beside" in page


def test_where_nothing_differs_nothing_is_offered(owner):
    source = factories.source()
    assert "Nothing is indexed yet" in read(owner, source)
    factories.push(source, cows="Cows make milk.")

    page = read(owner, source)

    assert "What serves is what the settings say." in page
    assert "Re-index beside" not in page


def test_from_the_start_to_the_undo(owner):
    source = source_that_wants_small_chunks()

    owner.post(address(source, "index_start"))
    index = source.building_index
    assert "0 of 3 documents" in read(owner, source)
    owner.post(address(source, "index_pause"))
    assert owner.get(address(source, "index_progress")).json()["index"]["stage"] == "paused"
    owner.post(address(source, "index_resume"))
    reindex.run_to_end(index)
    assert "Switch to generation 2" in read(owner, source)
    owner.post(address(source, "index_switch"))
    assert source.live_index == index
    assert "Back to generation 1" in read(owner, source)
    owner.post(address(source, "index_undo"))
    assert source.live_index.number == 1


def test_given_up_it_is_gone_from_the_page(owner):
    source = source_that_wants_small_chunks()
    index = built(source)

    owner.post(address(source, "index_cancel"))

    index.refresh_from_db()
    assert index.stage == "cancelled"
    assert owner.get(address(source, "index_progress")).json() == {"index": None}


def test_the_comparison_ranks_the_document_that_somebody_names(owner):
    source = source_that_wants_small_chunks()
    built(source)

    page = owner.post(
        address(source, "index_compare"), {"question": ["Who makes milk?", ""], "right": ["cows", ""]}
    ).content.decode()

    assert "1 → 1" in page
    assert "same" in page
    aside = read(owner, source, "index_side_by_side", q="Who makes milk?", mode="hybrid")
    assert aside.count("Cows make milk.") == 2


def test_without_any_question_the_page_says_what_to_do(owner):
    source = source_that_wants_small_chunks()
    built(source)
    assert "Type one in" in owner.post(address(source, "index_compare"), {"question": [""]}).content.decode()


def test_a_refusal_is_told_on_the_page(owner):
    source = source_that_wants_small_chunks()

    page = owner.post(address(source, "index_switch"), follow=True).content.decode()

    assert "No generation is under construction any more" in page


def test_who_may_only_look_cannot_start_one(client, django_user_model):
    source = source_that_wants_small_chunks()
    assert client.post(address(source, "index_start")).status_code in (302, 403)
    assert KnowledgeIndex.objects.count() == 1


def test_the_settings_form_takes_another_model_and_says_what_follows(owner):
    source = factories.source()
    factories.push(source, cows="Cows make milk.")

    form = owner.get(reverse("admin:knowledge_knowledgesource_change", args=[source.pk])).content.decode()

    assert 'name="embedding_model"' in form
    assert "takes a re-index" in form
    ask_for_chunks_of(source, 40)
    assert "Re-index beside" in read(owner, source)


def test_what_a_large_first_sync_still_has_to_read_is_told_on_the_overview(owner, settings):
    settings.ASK_ABOVE_DOCUMENTS = 1
    source = factories.source()
    uploads.push(source, [PushedDocument(name, text=f"All about {name}.") for name in ("bees", "cows")])

    page = read(owner, source, "overview")

    assert "Documents: 2 · Tokens to embed: 400 to 6,000" in page
    settings.ASK_ABOVE_DOCUMENTS = 2
    assert "still has to read" not in read(owner, source, "overview")

"""What filters see of documents follows their source and the mapping of each generation, and embeds nothing anew."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
from django.db import connection

from knowledge import forecast, ledger, reindex, sync, uploads
from knowledge.models import Document, IndexedDocument, KnowledgeSource, SyncRun
from knowledge.uploads import PushedDocument
from tests import factories
from tests.knowledge.reindexing import built

pytestmark = pytest.mark.django_db(transaction=True)

SIGNED = [{"name": "signed", "from": "Signed on", "type": "date"}, {"name": "value", "from": "value", "type": "number"}]


def hand_in(source: KnowledgeSource, **metadata: dict[str, Any]) -> SyncRun | None:
    """Documents whose texts stay the same, whatever is said about them."""
    documents = [PushedDocument(name, text=f"Contract {name}.", metadata=said) for name, said in metadata.items()]
    run = uploads.push(source, documents).run
    return sync.run_to_end(run) if run else None


def fields_of(index) -> dict[str, dict[str, Any]]:
    rows = IndexedDocument.objects.filter(index=index)
    return dict(rows.values_list("document__remote_id", "fields"))


def ask_for(source: KnowledgeSource, mapping: list[dict[str, Any]]) -> None:
    source.metadata_fields = mapping
    source.full_clean()
    source.save(update_fields=["metadata_fields"])


@pytest.fixture
def contracts(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    source = factories.source("contracts")
    hand_in(source, a={"Signed on": "31.05.2024", "value": "1200"}, b={"Signed on": 17, "value": 5}, c={})
    return source


def test_without_a_mapping_filters_see_all_metadata(contracts):
    assert fields_of(contracts.live_index) == {
        "a": {"Signed on": "31.05.2024", "value": "1200"}, "b": {"Signed on": 17, "value": 5}, "c": {}
    }  # fmt: skip


def test_a_mapping_is_offered_as_a_re_index_that_embeds_nothing(contracts):
    live = contracts.live_index
    old = ledger.settings_hash(contracts)

    ask_for(contracts, SIGNED)

    assert (ledger.settings_hash(contracts) != old, ledger.wants_another(contracts, live)) == (True, True)
    assert forecast.of_reindex(contracts, live).tokens == (0, 0)
    index = built(contracts)
    assert (index.chunks_embedded, index.chunks_reused) == (0, 3)
    assert fields_of(index) == {"a": {"signed": "2024-05-31", "value": 1200}, "b": {"value": 5}, "c": {}}
    # The live one serves as it was built.
    assert fields_of(live)["a"] == {"Signed on": "31.05.2024", "value": "1200"}
    reindex.switch(index)
    assert not ledger.wants_another(contracts, contracts.live_index)


def test_an_empty_source_takes_its_mapping_over_at_once(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    source = factories.source("contracts")
    ledger.ensure_index(source)
    ask_for(source, SIGNED)

    hand_in(source, a={"Signed on": "2024-05-31"})

    assert fields_of(source.live_index) == {"a": {"signed": "2024-05-31"}}
    assert source.indexes.count() == 1


def test_other_metadata_is_seen_in_every_generation_and_embeds_nothing(contracts):
    old = contracts.live_index
    ask_for(contracts, SIGNED)
    new = reindex.switch(built(contracts))

    run = hand_in(contracts, a={"Signed on": "2025-01-01", "value": "7"})

    assert run is not None
    assert (run.receipt["changed"], run.chunks_embedded) == (1, 0)
    assert fields_of(new)["a"] == {"signed": "2025-01-01", "value": 7}
    assert fields_of(old)["a"] == {"Signed on": "2025-01-01", "value": "7"}
    back = reindex.undo(new)
    reindex.run_to_end(back)
    assert contracts.live_index == old
    assert fields_of(old)["b"] == {"Signed on": 17, "value": 5}


def test_documents_that_arrive_while_a_generation_is_built_are_in_both(contracts):
    ask_for(contracts, SIGNED)
    building = reindex.start(contracts)

    hand_in(contracts, d={"Signed on": "2026-01-01"})
    index = reindex.run_to_end(building)

    assert fields_of(index)["d"] == {"signed": "2026-01-01"}
    assert fields_of(contracts.live_index)["d"] == {"Signed on": "2026-01-01"}


def test_a_deleted_document_leaves_no_field_behind(contracts):
    uploads.delete(Document.objects.get(remote_id="a"))

    assert set(fields_of(contracts.live_index)) == {"b", "c"}


def test_a_folder_that_says_something_else_of_a_file_is_heard(settings, tmp_path):
    settings.FOLDER_ROOTS, settings.MEDIA_ROOT = [tmp_path], tmp_path / "media"
    (tmp_path / "wiki").mkdir()
    (tmp_path / "wiki/bees.md").write_text("Bees make honey.")
    source = factories.folder_source(tmp_path / "wiki")
    factories.sync_now(source)
    assert fields_of(source.live_index) == {"bees.md": {"path": "bees.md"}}

    # As a listing of an older release had left it.
    Document.objects.update(metadata={"path": "elsewhere"})
    IndexedDocument.objects.update(fields={"path": "elsewhere"})
    factories.sync_now(source)

    assert fields_of(source.live_index) == {"bees.md": {"path": "bees.md"}}


def test_what_an_older_release_has_indexed_is_filled_in_batches(contracts, monkeypatch):
    filling = import_module("knowledge.migrations.0016_fill_typed_metadata")
    monkeypatch.setattr(filling, "BATCH", 1)
    before = fields_of(contracts.live_index)
    IndexedDocument.objects.update(fields={})

    for _again in range(2):
        with connection.schema_editor(atomic=False) as editor:
            filling.fill(None, editor)

    assert fields_of(contracts.live_index) == before

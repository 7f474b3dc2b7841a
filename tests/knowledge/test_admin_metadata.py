"""Metadata of uploads in the admin: typed with the files or on the page of a document, and seen by filters at once."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils.html import escape

from knowledge import sync, uploads
from knowledge.models import Document, IndexedDocument, SyncRun
from knowledge.uploads import PushedDocument
from magnet.models import AuditEntry
from tests import factories
from tests.knowledge.reindexing import built

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def manuals(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    return factories.source("manuals")


def rows(**values):
    """What the table sends of these fields."""
    sent = {}
    for n, (name, value) in enumerate(values.items()):
        sent |= {f"metadata-{n}-name": name, f"metadata-{n}-value": value}
    return sent


def upload(client, source, *, body=b"# Pump\n\nOil it.", **values):
    url = reverse("admin:knowledge_knowledgesource_upload", args=[source.pk])
    sent = {"file": SimpleUploadedFile("pump.md", body), **rows(**values)}
    return client.post(url, sent, HTTP_ACCEPT="application/json")


def index(source):
    return sync.run_to_end(source.runs.unfinished().get())


def describe(client, document, **values):
    """What the page says after the form was sent."""
    url = reverse("admin:knowledge_document_metadata", args=[document.pk])
    return client.post(url, rows(**values), follow=True).content.decode()


def page_of(client, document):
    return client.get(reverse("admin:knowledge_document_change", args=[document.pk])).content.decode()


def push(source, *, metadata, remote_id="api"):
    pushed = uploads.push(source, [PushedDocument(remote_id, text="Oil the pump.", metadata=metadata)])
    if pushed.run:
        sync.run_to_end(pushed.run)
    return pushed


def test_fields_beside_the_drop_zone_hold_for_the_files(owner, manuals):
    tab = owner.get(reverse("admin:knowledge_knowledgesource_upload", args=[manuals.pk])).content.decode()
    assert 'name="metadata-0-name"' in tab

    assert upload(owner, manuals, product="P 200", team="Service").json()["result"] == "added"
    index(manuals)

    assert Document.objects.get().metadata == {"product": "P 200", "team": "Service"}
    assert IndexedDocument.objects.get().fields == {"product": "P 200", "team": "Service"}


def test_a_replaced_file_keeps_its_metadata_unless_other_is_given(owner, manuals):
    upload(owner, manuals, product="P 200")

    assert upload(owner, manuals).json()["result"] == "unchanged"
    assert upload(owner, manuals, body=b"# Pump\n\nNew.").json()["result"] == "changed"
    assert Document.objects.get().metadata == {"product": "P 200"}
    assert upload(owner, manuals, body=b"# Pump\n\nNew.", product="P 300").json()["result"] == "changed"
    assert Document.objects.get().metadata == {"product": "P 300"}


def test_a_replaced_file_is_found_by_those_who_found_it_before(owner, manuals):
    pushed = uploads.push(manuals, [PushedDocument("pump.md", text="# Pump", groups=("mechanics",))])
    sync.run_to_end(pushed.run)

    upload(owner, manuals)
    index(manuals)

    document = Document.objects.get(remote_id="pump.md")
    assert "Oil it." in document.text
    assert document.groups == ["mechanics"]


def test_changed_metadata_is_in_every_generation_and_nothing_is_embedded(owner, manuals):
    push(manuals, metadata={"year": 2020, "draft": True, "signed": "2024-05-31"})
    manuals.metadata_fields = [{"name": "built", "from": "year", "type": "number"}]
    manuals.save(update_fields=["metadata_fields"])
    second = built(manuals)
    document, runs = Document.objects.get(), SyncRun.objects.count()
    read = document.text, document.version, document.content_hash

    said = describe(owner, document, year="2021", draft="no", signed="1.6.2024", note="for Riga")

    assert "The metadata is changed" in said
    document.refresh_from_db()
    now = {"year": 2021, "draft": False, "signed": "2024-06-01", "note": "for Riga"}
    assert document.metadata == now
    assert (document.text, document.version, document.content_hash) == read
    fields = dict(IndexedDocument.objects.values_list("index", "fields"))
    assert fields == {manuals.live_index.pk: now, second.pk: {"built": 2021}}
    assert not IndexedDocument.objects.filter(is_due=True).exists()
    assert SyncRun.objects.count() == runs
    assert AuditEntry.objects.filter(verb="changed the metadata of").count() == 1


def test_what_is_left_as_it_stands_stays_what_it_is(owner, manuals):
    stored = {
        "code": "007",
        "tags": ["a, b", "c"],
        "by": {"name": "Ann"},
        "size": 1.5,
        "text": "two\nlines",
        "none": None,
    }
    push(manuals, metadata=stored)
    document = Document.objects.get()
    shown = {"code": "007", "tags": "a, b, c", "by": '{"name": "Ann"}', "size": "1.5", "text": "two lines"}

    page = page_of(owner, document)
    assert all(f'value="{escape(value)}"' in page for value in shown.values())
    assert "The metadata is as it was." in describe(owner, document, **shown, none="")
    document.refresh_from_db()
    assert document.metadata == stored

    describe(owner, document, code="007", size="")
    document.refresh_from_db()
    assert document.metadata == {"code": "007"}


def test_a_field_that_stands_there_twice_is_refused(owner, manuals):
    push(manuals, metadata={"team": "Service"})

    said = describe(owner, Document.objects.get(), **{"team": "Sales", "team ": "Support"})

    assert "The field “team” stands there twice." in said
    assert Document.objects.get().metadata == {"team": "Service"}


def test_a_value_without_a_name_is_refused_before_the_file_is_taken(owner, manuals):
    url = reverse("admin:knowledge_knowledgesource_upload", args=[manuals.pk])
    sent = {"file": SimpleUploadedFile("pump.md", b"Oil it."), "metadata-0-value": "P 200"}

    response = owner.post(url, sent, HTTP_ACCEPT="application/json")

    assert response.status_code == 422
    assert response.json()["detail"].startswith("Row 1, Name:")
    assert not Document.objects.exists()


def test_what_another_system_sends_again_holds_again(owner, manuals):
    push(manuals, metadata={"team": "Service"})
    describe(owner, Document.objects.get(), team="Sales")

    assert push(manuals, metadata={"team": "Service"}).changed == 1

    assert Document.objects.get().metadata == IndexedDocument.objects.get().fields == {"team": "Service"}
    assert push(manuals, metadata={"team": "Service"}).unchanged == 1


def test_metadata_of_other_sources_is_changed_there(owner, tmp_path, settings, manuals):
    settings.FOLDER_ROOTS = [tmp_path]
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "pump.md").write_text("# Pump\n\nOil it.")
    factories.sync_now(factories.folder_source(tmp_path / "docs"))
    document = Document.objects.get()
    before = document.metadata

    page = page_of(owner, document)
    assert "The metadata of this document comes from its source." in page
    assert "Save metadata" not in page
    assert "says itself what metadata its documents have" in describe(owner, document, team="Sales")
    document.refresh_from_db()
    assert document.metadata == before

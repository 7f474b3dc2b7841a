"""Knowledge sources in the admin: added in two steps, watched while they sync, asked before much is deleted."""

import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from knowledge.admin.progress import progress_of, receipt_sentences, work_sentence
from knowledge.admin.sources import cause_of
from knowledge.models import KnowledgeSource, SyncRun
from magnet import gateway
from magnet.database import close_raw_pool
from magnet.encryption import decrypt
from magnet.models import WorkerHeartbeat
from tests import factories

pytestmark = pytest.mark.django_db
ADD = "admin:knowledge_knowledgesource_add"
CHANGE = "admin:knowledge_knowledgesource_change"
JSON = {"HTTP_ACCEPT": "application/json"}


def chunker():
    from knowledge.chunkers import CHUNKERS

    settings = CHUNKERS["paragraphs"].Config().model_dump()
    return {f"chunker_paragraphs__{name}": str(value) for name, value in settings.items()}


def website(**fields):
    return {
        "name": "Help centre", "slug": "help", "config__start_url": "https://help.example.com", "config__mode": "links",
        "config__max_depth": "2", "config__max_pages": "50", "schedule": "daily", "time_zone": "UTC",
        "deletion_guard_percent": "20", "embedding_model": factories.local_embedding().pk, **chunker(), **fields,
    }  # fmt: skip


def add(client, kind, values):
    return client.post(f"{reverse(ADD)}?connector={kind}", values)


def page_url(source, route):
    return reverse(f"admin:knowledge_knowledgesource_{route}", args=[source.pk])


def test_the_kind_is_chosen_from_cards_and_then_its_form_is_filled_in(owner):
    cards = owner.get(reverse(ADD)).content.decode()
    assert "Where are the documents?" in cards
    assert all(f"?connector={kind}" in cards for kind in ("upload", "folder", "website"))
    form = owner.get(reverse(ADD) + "?connector=website").content.decode()
    assert '<h1 class="mg-h1">Add knowledge source: Website</h1>' in form

    response = add(owner, "website", website(config__include_paths="/help\n/faq"))

    source = KnowledgeSource.objects.get()
    assert response.headers["Location"] == page_url(source, "overview")
    assert f"“{source.name}” is added." in owner.get(response.headers["Location"]).content.decode()
    assert source.connector == "website"
    assert source.config["start_url"].startswith("https://help.example.com")
    assert source.config["max_pages"] == 50
    assert source.next_sync_at is not None


def test_a_list_names_what_it_lists_and_offers_to_add_one_in_words(owner):
    factories.push(factories.source(), rules="# Rules\n\nBe kind.")
    listed = owner.get(reverse("admin:knowledge_knowledgesource_changelist")).content.decode()

    assert "<title> Knowledge sources |" in listed
    assert "Add knowledge source</a>" in listed
    assert "Healthy" in listed


def test_what_the_connector_refuses_stands_beside_its_field(owner):
    response = add(owner, "website", website(config__start_url="ftp://help.example.com", config__max_pages="0"))

    errors = response.context["adminform"].errors
    assert set(errors) <= {"config__start_url", "config__max_pages"}
    assert "config__max_pages" in errors
    assert not KnowledgeSource.objects.exists()


def test_secrets_are_stored_encrypted_and_survive_an_empty_field(owner):
    add(owner, "website", website(secrets__username="bot", secrets__password="hush-hush"))
    source = KnowledgeSource.objects.get()

    page = owner.get(reverse(CHANGE, args=[source.pk])).content.decode()
    owner.post(reverse(CHANGE, args=[source.pk]), website(name="Help", secrets__username="bot"))

    source.refresh_from_db()
    assert "hush-hush" not in page
    assert "hush-hush" not in source.encrypted_secrets
    assert (source.name, decrypt(source.encrypted_secrets)["password"]) == ("Help", "hush-hush")


def test_a_new_address_forgets_the_secrets_that_were_for_the_old_one(owner):
    add(owner, "website", website(secrets__username="bot", secrets__password="hush-hush"))
    source = KnowledgeSource.objects.get()

    owner.post(reverse(CHANGE, args=[source.pk]), website(config__start_url="https://elsewhere.example.com"))

    source.refresh_from_db()
    assert source.config["start_url"] == "https://elsewhere.example.com/"
    assert "hush-hush" not in str(decrypt(source.encrypted_secrets))


def test_slug_and_kind_stay_and_another_embedding_model_is_a_wish(owner):
    source = factories.source("handbook")
    factories.push(source, a="# A\n\nWords.")
    other = factories.local_embedding()
    other.pk, other.slug, other.is_default = None, "other", False
    other.save()

    values = {**website(), "slug": "changed", "connector": "folder", "embedding_model": other.pk, "name": "Book"}
    owner.post(reverse(CHANGE, args=[source.pk]), values)

    source.refresh_from_db()
    assert (source.name, source.slug, source.connector) == ("Book", "handbook", "upload")
    assert (source.embedding_model, source.live_index.embedding_model) == (other, factories.local_embedding())


def test_a_folder_that_the_operator_has_not_opened_is_refused_on_saving(owner, tmp_path, settings):
    settings.FOLDER_ROOTS = [tmp_path]

    page = add(owner, "folder", website(config__path="/etc")).content.decode()

    assert "The folder /etc is not below a folder that the operator has opened." in page
    assert not KnowledgeSource.objects.exists()
    add(owner, "folder", website(config__path=str(tmp_path / "not-yet-mounted")))
    assert KnowledgeSource.objects.get().config["path"] == str(tmp_path / "not-yet-mounted")


def test_a_test_of_the_connection_says_only_the_cause():
    cause = "The host name nowhere.invalid cannot be found (DNS). Check the address."

    assert cause_of(f"Nobody can say what may be read there: {cause} Nothing was deleted.") == cause
    assert cause_of(cause) == cause


def test_one_chunk_is_spoken_of_as_one():
    assert work_sentence({"chunks_embedded": 1}) == "1 chunk embedded, 0 reused."
    assert work_sentence({"chunks_embedded": 2, "chunks_reused": 3}) == "2 chunks embedded, 3 reused."


def test_a_cron_expression_is_explained(owner):
    url = reverse("admin:knowledge_knowledgesource_explain_cron")

    assert owner.get(f"{url}?cron=30 6 * * 1-5").json() == {"sentence": "At 06:30, Monday through Friday"}
    assert "not a cron expression" in owner.get(f"{url}?cron=whenever").json()["sentence"]
    assert "not a cron expression" in add(owner, "website", website(schedule="cron", cron="x")).content.decode()


def test_a_sync_is_started_by_a_button_and_watched(owner, tmp_path, settings):
    settings.FOLDER_ROOTS = [tmp_path]
    (tmp_path / "a.md").write_text("# A")
    source = factories.folder_source(tmp_path)

    assert owner.get(page_url(source, "sync")).status_code == 405
    owner.post(page_url(source, "sync"))
    run = SyncRun.objects.get()

    assert run.actor_label == "Olga"
    shown = owner.get(page_url(source, "progress"), **JSON).json()["run"]
    assert (shown["status"], shown["is_finished"]) == ("queued", False)
    assert "Waiting for a worker" in owner.get(page_url(source, "overview")).content.decode()


def run_of(source, **fields):
    return SyncRun.objects.create(source=source, **fields)


def test_progress_says_counts_rate_and_time_left():
    now = timezone.now()
    run = run_of(
        factories.source(),
        status="indexing",
        to_do=100,
        done=40,
        heartbeat_at=now,
        started_at=now - timedelta(seconds=20),
    )

    shown = progress_of(run)

    # The clock goes on while the page is made.
    assert (shown["percent"], shown["rate"]) == (40.0, pytest.approx(2.0, rel=0.2))
    assert 30 <= shown["seconds_left"] <= 36
    assert re.fullmatch(r"40 of 100 documents · \d\.\d a second · about 3\d seconds left", shown["sentence"])
    assert not shown["is_stuck"]


def test_stuck_and_working_do_not_look_alike():
    source = factories.source()
    long_ago = timezone.now() - timedelta(minutes=5)
    run = run_of(source, status="indexing", to_do=2, started_at=long_ago, heartbeat_at=long_ago)

    assert "No worker is running" in progress_of(run)["sentence"]
    for cluster in ("fast", "bulk"):
        WorkerHeartbeat.objects.create(cluster=cluster, host="a", pid=1, started_at=long_ago, beat_at=timezone.now())
    assert "No sign of life" in progress_of(run)["sentence"]
    run.status, run.heartbeat_at, run.created_at = "queued", None, long_ago
    assert progress_of(run)["is_stuck"]


def test_a_sync_that_would_delete_much_asks_and_is_answered(owner, member):
    source = factories.source()
    run = run_of(source, status=SyncRun.Status.WAITING, deletions_waiting=12)

    overview = owner.get(page_url(source, "overview")).content.decode()
    home = owner.get(reverse("admin:index")).content.decode()
    approve = reverse("admin:knowledge_syncrun_approve", args=[run.pk])
    assert "would delete 12 documents" in overview
    assert approve in overview
    assert "waits for you. This sync would delete 12 documents, more than the limit of 20 %." in home
    assert member("Viewer").post(approve).status_code == 403
    owner.post(approve)

    run.refresh_from_db()
    assert (run.status, run.approved_deletions) == ("queued", 12)
    owner.post(reverse("admin:knowledge_syncrun_cancel", args=[run.pk]))
    run.refresh_from_db()
    assert run.status == "cancelled"


def test_a_receipt_is_said_in_words(owner):
    source = factories.source()
    run = factories.push(source, a="# A\n\nWords.", b="# B\n\nMore.")

    assert receipt_sentences(run)[0] == "2 documents were seen: 2 live."
    page = owner.get(reverse("admin:knowledge_syncrun_change", args=[run.pk])).content.decode()
    assert "2 documents were worked on." in page
    run.trigger, run.receipt = "manual", {**run.receipt, "added": 2}
    assert receipt_sentences(run)[1] == "2 added, 0 changed, 0 unchanged, 0 deleted."


def test_the_connection_is_tested_by_a_button(owner, tmp_path, settings):
    settings.FOLDER_ROOTS = [tmp_path]
    (tmp_path / "a.md").write_text("# A")
    good, bad = factories.folder_source(tmp_path), factories.folder_source(tmp_path / "missing", slug="bad")

    assert owner.post(page_url(good, "check"), **JSON).json()["detail"].startswith("Found 1 readable file")
    refused = owner.post(page_url(bad, "check"), **JSON)
    assert refused.status_code == 502
    assert refused.json()["detail"]


def test_a_source_in_use_says_where_and_one_that_is_not_goes_with_all_it_holds(owner):
    from tools_app.models import RagTool

    source = factories.source()
    factories.push(source, a="# A\n\nWords.")
    tool = RagTool.objects.create_live(settings={"sources": [source]}, name="Ask", slug="ask")
    url = page_url(source, "delete")

    page = owner.post(url).content.decode()
    assert "is still in use" in page
    assert reverse("admin:tools_app_ragtool_change", args=[tool.pk]) in page

    owner.post(reverse("admin:tools_app_ragtool_delete", args=[tool.pk]))
    assert "1 document goes with it." in owner.get(url).content.decode()
    owner.post(url)
    assert not KnowledgeSource.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_search_shows_passages_with_scores_and_the_way_to_their_document(owner):
    source = factories.source()
    factories.push(source, holidays="# Holidays\n\nThirty days each year.", food="# Food\n\nSoup on Mondays.")

    page = owner.get(page_url(source, "search") + "?q=how+many+days+of+holidays&mode=words&limit=7").content.decode()

    assert "Thirty days each year." in page
    assert "#passage" in page
    assert "Nothing was found" in owner.get(page_url(source, "search") + "?q=xylophone&mode=words").content.decode()
    assert owner.get(page_url(source, "search") + "?q=%00").status_code == 200
    gateway.run_from_sync(close_raw_pool())

"""Who is told of what a sync does: once when it breaks, once when it works again, and when somebody must act."""

from datetime import timedelta

import pytest
from django.utils import timezone

from knowledge import alerting, sync
from knowledge.models import SyncRun
from magnet.models import Delivery, Webhook
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)
EVERYTHING = ["sync.failed", "sync.recovered", "sync.waiting_for_approval", "sync.overdue"]


@pytest.fixture
def wiki(tmp_path, settings):
    settings.FOLDER_ROOTS, settings.MEDIA_ROOT = [tmp_path], tmp_path / "media"
    hook = Webhook(name="Pager", url="http://127.0.0.1:9/", events=EVERYTHING)
    hook.renew_secret()
    hook.save()
    folder = tmp_path / "wiki"
    folder.mkdir()
    for name in ("bees", "cows"):
        (folder / f"{name}.md").write_text(f"All about {name}.")
    return folder


def told() -> list[str]:
    return list(Delivery.objects.order_by("created_at").values_list("event", flat=True))


def test_a_source_that_stays_broken_is_told_of_once_and_again_when_it_works(wiki):
    source = factories.folder_source(wiki, name="Wiki")
    factories.sync_now(source)
    assert told() == []

    gone = wiki.rename(wiki.with_name("moved"))
    factories.sync_now(source)
    factories.sync_now(source)
    assert told() == ["sync.failed"]
    delivery = Delivery.objects.get()
    assert delivery.subject == "“Wiki” does not sync"
    assert str(source.runs.order_by("created_at")[1].pk) in delivery.payload["url"]

    gone.rename(wiki)
    factories.sync_now(source)
    factories.sync_now(source)
    assert told() == ["sync.failed", "sync.recovered"]


def test_a_run_that_waits_for_a_click_says_so(wiki):
    source = factories.folder_source(wiki, deletion_guard_percent=0)
    factories.sync_now(source)
    (wiki / "bees.md").unlink()

    factories.sync_now(source)

    assert told() == ["sync.waiting_for_approval"]
    assert "delete 1 document, more" in Delivery.objects.get().text


@pytest.mark.parametrize(("age", "events"), [(timedelta(minutes=30), []), (timedelta(hours=3), ["sync.overdue"])])
def test_a_run_that_is_unfinished_when_the_next_should_start_is_told_of_once(wiki, age, events):
    source = factories.folder_source(wiki, schedule="hourly")
    run = sync.start(source)
    SyncRun.objects.filter(pk=run.pk).update(created_at=timezone.now() - age)

    alerting.tell_of_late_ones()
    alerting.tell_of_late_ones()

    assert told() == events


def test_what_is_synced_by_hand_is_never_late(wiki):
    run = sync.start(factories.folder_source(wiki))
    SyncRun.objects.filter(pk=run.pk).update(created_at=timezone.now() - timedelta(days=3))
    assert alerting.tell_of_late_ones() == 0

"""Background work is queued after commit, done by the right cluster, and delivered again after a crash."""

from __future__ import annotations

import socket
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.module_loading import import_string
from django_q.models import OrmQ, Schedule

from magnet import queue
from magnet.models import WorkerHeartbeat
from magnet.processes.cluster import free_tasks_of_the_dead


@pytest.mark.django_db(transaction=True)
def test_a_job_of_a_transaction_that_failed_is_never_queued():
    @transaction.atomic
    def save_document() -> None:
        queue.enqueue("knowledge.jobs.sync_source", 1)
        raise RuntimeError("The document could not be saved.")

    with pytest.raises(RuntimeError):
        save_document()

    assert OrmQ.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_a_job_waits_in_the_queue_of_its_cluster():
    with transaction.atomic():
        queue.enqueue("knowledge.jobs.sync_source", 1, cluster="bulk")
        assert OrmQ.objects.count() == 0

    task = OrmQ.objects.get(key="bulk").task
    assert (task["func"], task["args"]) == ("knowledge.jobs.sync_source", (1,))


@pytest.mark.django_db(transaction=True)
def test_workers_that_start_together_leave_one_clock():
    queue.schedule_jobs()
    queue.schedule_jobs()

    schedules = Schedule.objects.order_by("minutes", "func").values_list("func", "minutes", "repeats")
    assert list(schedules) == [
        ("conversations.jobs.tick", 1, -1),
        ("knowledge.jobs.tick", 1, -1),
        ("magnet.alerts.send_due", 1, -1),
        ("tools_app.jobs.analyse_answers", 1, -1),
        ("conversations.jobs.sweep", 1440, -1),
        ("knowledge.jobs.sweep", 1440, -1),
    ]


@pytest.mark.django_db(transaction=True)
def test_the_schedules_name_jobs_that_exist():
    for schedule in settings.SCHEDULED_JOBS:
        assert callable(import_string(schedule))


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_falls_silent_is_told_apart_from_one_that_lives():
    queue.beat("fast", started_at=timezone.now())
    queue.beat("bulk", started_at=timezone.now())
    WorkerHeartbeat.objects.filter(cluster="bulk").update(beat_at=timezone.now() - timedelta(minutes=1))

    fast, bulk = queue.state().clusters

    assert (fast.name, fast.is_alive) == ("fast", True)
    assert (bulk.name, bulk.is_alive) == ("bulk", False)


@pytest.mark.django_db(transaction=True)
def test_the_lag_is_the_age_of_the_oldest_task_that_nobody_has_taken():
    queue.enqueue("knowledge.jobs.tick")
    queue.enqueue("knowledge.jobs.tick")
    waiting, taken = OrmQ.objects.all()
    OrmQ.objects.filter(pk=waiting.pk).update(lock=timezone.now() - timedelta(seconds=90))
    OrmQ.objects.filter(pk=taken.pk).update(lock=timezone.now() + timedelta(seconds=90))

    fast = queue.state().clusters[0]

    assert fast.waiting == 1
    assert 90 <= fast.lag_seconds < 120


NO_PROCESS = 2**22 + 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("host", "freed"), [(socket.gethostname(), 1), ("another-machine", 0)], ids=["of this machine", "of another"]
)
def test_only_tasks_whose_cluster_is_known_to_be_dead_are_freed(host, freed):
    queue.enqueue("time.sleep", 0, cluster="bulk")
    OrmQ.objects.update(lock=timezone.now() + timedelta(hours=1))
    long_ago = timezone.now() - timedelta(hours=2)
    WorkerHeartbeat.objects.create(cluster="bulk", host=host, pid=NO_PROCESS, started_at=long_ago, beat_at=long_ago)

    assert free_tasks_of_the_dead("bulk") == freed

    assert queue.state().clusters[1].waiting == freed

"""Background work is queued after commit, done by the right cluster, and delivered again after a crash."""

from __future__ import annotations

import pytest
from django.db import transaction
from django_q.models import OrmQ, Schedule

from magnet import queue


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
        queue.enqueue("knowledge.jobs.sync_source", 1, cluster="bulk", group="handbook")
        assert OrmQ.objects.count() == 0

    task = OrmQ.objects.get(key="bulk").task
    assert (task["func"], task["args"], task["group"]) == ("knowledge.jobs.sync_source", (1,), "handbook")


@pytest.mark.django_db(transaction=True)
def test_workers_that_start_together_leave_one_clock():
    queue.schedule_tick()
    queue.schedule_tick()

    schedule = Schedule.objects.get()
    assert (schedule.func, schedule.minutes, schedule.repeats) == ("knowledge.jobs.tick", 1, -1)

"""Background work: how a job is queued, and whether somebody is there to do it. The only door to django-q2."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from django.conf import settings
from django.db import connection, transaction
from django.db.models import BooleanField, Case, F, Q, QuerySet, When
from django.db.models.expressions import RawSQL
from django.db.models.functions import Now
from django.utils import timezone

from magnet.models.work import WorkerHeartbeat
from magnet.postgres.postgres_place import is_alive

if TYPE_CHECKING:
    from uuid import UUID

Cluster = Literal["fast", "bulk"]
CLUSTERS: tuple[Cluster, ...] = ("fast", "bulk")
BEAT_SECONDS = 5
# Three beats may be missed, by a busy machine, before a worker counts as gone.
SILENT_SECONDS = 20
FORGET_HEARTBEATS_AFTER = timedelta(days=1)

# A task is written as base64 without its padding, in the letters of URLs, up to a colon; texts stand in it as they are.
# PostgreSQL looks for them, so that only the tasks that are meant are sent here and unpacked.
NAMES = """position(convert_to(%s, 'UTF8') in decode(rpad(translate(split_part(payload, ':', 1), '-_', '+/'),
(length(split_part(payload, ':', 1)) + 3) / 4 * 4, '='), 'base64')) > 0"""

# Whether the last beat of this process did not get through.
_has_missed = False


@dataclass(frozen=True)
class ClusterState:
    """One cluster: whether it lives, how many tasks wait, and for how long the oldest of them has waited."""

    name: str
    is_alive: bool
    beat_at: datetime | None
    waiting: int
    lag_seconds: float


@dataclass(frozen=True)
class QueueState:
    clusters: tuple[ClusterState, ...]

    @property
    def is_alive(self) -> bool:
        return all(cluster.is_alive for cluster in self.clusters)


def enqueue(job: str, *ids: int | str | UUID, cluster: Cluster = "fast") -> None:
    """Queue `job`, a dotted path such as "knowledge.jobs.sync_source", once the transaction is committed.

    Delivery is at least once: a job finds out from its own rows what is still to do.
    """
    transaction.on_commit(lambda: _queue(job, *ids, cluster=cluster))


def _queue(job: str, *ids: int | str | UUID, cluster: Cluster) -> None:
    from django_q.tasks import async_task

    # Successes leave their traces in our own rows; storing them here too would make the queue three times slower.
    async_task(job, *ids, cluster=cluster, save=False)


def is_waiting(job: str, *ids: int | str | UUID, cluster: Cluster, or_held: bool = False) -> bool:
    """Whether a task of `job` with these ids waits that no worker has taken yet, so that nobody queues it twice.

    `or_held`: also one that a worker has, or had when it died; the queue gives these out again only much later.
    """
    from django_q.models import OrmQ

    tasks = OrmQ.objects.filter(key=cluster) if or_held else OrmQ.objects.filter(key=cluster, lock__lt=timezone.now())
    for said in (job, *(id for id in ids if isinstance(id, str))):
        tasks = tasks.filter(RawSQL(NAMES, [said], BooleanField()))  # noqa: S611  # the text is bound
    found = (queued.task for queued in tasks.iterator())
    wanted = tuple(map(str, ids))
    return any(task.get("func") == job and tuple(map(str, task.get("args", ()))) == wanted for task in found)


def schedule_jobs() -> None:
    """Make sure that each of settings.SCHEDULED_JOBS has exactly one schedule."""
    with transaction.atomic():
        # The table has no unique name, and several workers start at the same moment.
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext('magnet.queue.schedules'))")
        for job, minutes in settings.SCHEDULED_JOBS.items():
            _schedule(job, minutes=minutes)


def _schedule(job: str, *, minutes: int) -> None:
    from django_q.models import Schedule

    rhythm = {"schedule_type": Schedule.MINUTES, "minutes": minutes, "repeats": -1, "cluster": "fast"}
    if Schedule.objects.filter(func=job).update(name=job, **rhythm) == 0:
        Schedule.objects.create(func=job, name=job, next_run=timezone.now(), **rhythm)


def beat(cluster: str, *, started_at: datetime) -> None:
    """Write that this process's cluster is alive. Raises where the database is away, and the next beat tells of it."""
    global _has_missed
    has_missed, _has_missed = _has_missed, True
    mine = {"cluster": cluster, "host": socket.gethostname(), "pid": os.getpid()}
    # By the clock of the database: those of several machines never agree.
    times = {"beat_at": Now(), "started_at": Now() - (timezone.now() - started_at)}
    long_silent = Q(beat_at__lt=Now() - timedelta(seconds=SILENT_SECONDS))
    back = {"in_touch_since": Case(When(long_silent, then=Now()), default=F("in_touch_since"))} if has_missed else {}
    if not WorkerHeartbeat.objects.filter(**mine).update(**times, **back):
        WorkerHeartbeat.objects.create(**mine, **times)
    _has_missed = False


def was_cut_off(since: datetime) -> bool:
    """Whether a cluster that lived at `since` has outlived a time in which it could not reach the database.

    Nobody could show life then. A beat that is only late does not count: who fills the memory slows others down.
    """
    outlived = WorkerHeartbeat.objects.filter(started_at__lte=since)
    return outlived.filter(in_touch_since__gt=since).exists() or _has_yet_to_tell(outlived, since=since)


def _has_yet_to_tell(clusters: QuerySet[WorkerHeartbeat], *, since: datetime) -> bool:
    """Whether one of them fell silent at `since` and lives: its next beat will tell why, within seconds."""
    silence = timedelta(seconds=SILENT_SECONDS)
    silent = clusters.filter(beat_at__gte=since - silence, beat_at__lt=Now() - silence, host=socket.gethostname())
    return any(is_alive(cluster.pid) for cluster in silent)


def end_beat(cluster: str) -> None:
    """Take back the sign of life of a cluster that stops, and forget those of clusters long gone."""
    WorkerHeartbeat.objects.filter(cluster=cluster, host=socket.gethostname(), pid=os.getpid()).delete()
    WorkerHeartbeat.objects.filter(beat_at__lt=timezone.now() - FORGET_HEARTBEATS_AFTER).delete()


def state() -> QueueState:
    """What the health page says about background work."""
    return QueueState(tuple(_cluster_state(name) for name in CLUSTERS))


def _cluster_state(name: Cluster) -> ClusterState:
    from django_q.models import OrmQ

    now = timezone.now()
    beat_at = (
        WorkerHeartbeat.objects.filter(cluster=name).order_by("-beat_at").values_list("beat_at", flat=True).first()
    )
    # `lock` is the moment of queueing, and lies in the future while a worker has the task.
    waiting = OrmQ.objects.filter(key=name, lock__lt=now).order_by("lock")
    oldest = waiting.values_list("lock", flat=True).first()
    return ClusterState(
        name=name,
        is_alive=beat_at is not None and (now - beat_at).total_seconds() < SILENT_SECONDS,
        beat_at=beat_at,
        waiting=waiting.count(),
        lag_seconds=(now - oldest).total_seconds() if oldest else 0.0,
    )

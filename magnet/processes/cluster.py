"""One django-q2 cluster as a process of ours: with heartbeats, without orphans, and never silently stuck."""

from __future__ import annotations

import sys
from datetime import datetime
from multiprocessing.process import BaseProcess
from typing import Any

import structlog
from django.db import DatabaseError, InterfaceError, connection, connections
from django.utils import timezone
from django_q import cluster as django_q_cluster
from django_q.conf import Conf

from magnet import queue
from magnet.errors import NotConfigured
from magnet.processes import lifeline

log = structlog.get_logger(__name__)

TIMED_OUT = 0


class Sentinel(django_q_cluster.Sentinel):  # type: ignore[misc]  # the library is untyped
    """Ends the whole cluster when one of its processes was killed; the supervisor starts a fresh one.

    The killed process may have held the lock of the queue that all of them share: a cluster that only replaced
    it would live, beat and never work again.
    """

    def reincarnate(self, process: Any) -> None:
        if was_killed(process):
            log.error("worker_killed", status=process.exitcode)
            sys.exit(1)
        super().reincarnate(process)


def was_killed(process: BaseProcess) -> bool:
    timer = getattr(process, "timer", None)
    if timer is not None and timer.value == TIMED_OUT:
        return False
    return process.exitcode is not None and process.exitcode < 0


def work(name: str) -> int:
    """Run one cluster until it is told to stop; answers the exit status."""
    if name != Conf.CLUSTER_NAME:
        raise NotConfigured(f"Start this cluster with `python manage.py work --cluster {name}`.")
    queue.schedule_jobs()
    # The forks must not share our connection.
    connections.close_all()
    lifeline.end_forks_with_this_process()
    django_q_cluster.Sentinel = Sentinel
    cluster = django_q_cluster.Cluster()
    cluster.start()
    started_at = timezone.now()
    while cluster.sentinel.is_alive():
        beat(name, started_at=started_at)
        cluster.sentinel.join(queue.BEAT_SECONDS)
    queue.end_beat(name)
    return int(cluster.sentinel.exitcode or 0)


def beat(name: str, *, started_at: datetime) -> None:
    """A missed beat is not the end of the cluster: the database may be starting again."""
    try:
        queue.beat(name, started_at=started_at)
    except (DatabaseError, InterfaceError) as error:
        log.warning("heartbeat_missed", cluster=name, reason=str(error))
    finally:
        connection.close()

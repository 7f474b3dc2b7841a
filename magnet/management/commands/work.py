"""`manage.py work`: does the background work, in one process tree for each cluster."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser
from datetime import datetime
from typing import Any

import structlog
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, InterfaceError, connection, connections
from django.utils import timezone

from magnet import lifeline, queue
from magnet.supervisor import Program, Supervisor

log = structlog.get_logger(__name__)


class Command(BaseCommand):
    help = "Do background work: syncs, embedding, schedules. Without --cluster, both clusters run."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--cluster", choices=queue.CLUSTERS, help="run only this cluster")
        parser.add_argument("--parent", type=int, help="end when this process is gone")

    def handle(self, *args: Any, cluster: queue.Cluster | None, parent: int | None, **options: Any) -> None:
        if parent:
            lifeline.end_with(parent)
        sys.exit(work(cluster) if cluster else Supervisor(programs()).run())


def programs() -> list[Program]:
    """The clusters as programs that end with this process."""
    manage, me = str(settings.BASE_DIR / "manage.py"), str(os.getpid())
    return [
        Program(name, [sys.executable, manage, "work", "--cluster", name, "--parent", me]) for name in queue.CLUSTERS
    ]


def work(name: queue.Cluster) -> int:
    """Run one cluster until it is told to stop."""
    from django_q.cluster import Cluster
    from django_q.conf import Conf

    if name != Conf.CLUSTER_NAME:
        raise CommandError(f"Start this cluster with `python manage.py work --cluster {name}`.")
    queue.schedule_tick()
    # The forks must not share our connection.
    connections.close_all()
    lifeline.end_forks_with_this_process()
    cluster = Cluster()
    cluster.start()
    started_at = timezone.now()
    while cluster.sentinel.is_alive():
        beat(name, started_at=started_at)
        cluster.sentinel.join(queue.BEAT_SECONDS)
    queue.end_beat(name)
    return int(cluster.sentinel.exitcode or 0)


def beat(name: queue.Cluster, *, started_at: datetime) -> None:
    """A missed beat is not the end of the cluster: the database may be starting again."""
    try:
        queue.beat(name, started_at=started_at)
    except (DatabaseError, InterfaceError) as error:
        log.warning("heartbeat_missed", cluster=name, reason=str(error))
    finally:
        connection.close()

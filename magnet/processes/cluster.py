"""One django-q2 cluster as a process of ours: with heartbeats, without orphans, and never silently stuck."""

from __future__ import annotations

import os
import socket
import sys
from datetime import datetime
from multiprocessing.process import BaseProcess
from multiprocessing.util import Finalize
from typing import Any

import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection, connections
from django.utils import timezone
from django.utils.module_loading import import_string
from django_q import cluster as django_q_cluster
from django_q.conf import Conf
from django_q.models import OrmQ
from django_q.signals import post_spawn

from magnet import plugins, queue
from magnet.errors import NotConfigured
from magnet.models import WorkerHeartbeat
from magnet.postgres.postgres_place import command_line, is_alive
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
            # The orderly end takes a second, in which it would go on taking tasks that nobody will do.
            self.pusher.kill()
            self.pusher.join()
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
    post_spawn.connect(start_plugins, dispatch_uid="plugins")
    cluster = django_q_cluster.Cluster()
    started_at = timezone.now()
    # Said before the first task is taken, so that of two clusters that start together each knows of the other.
    beat(name, started_at=started_at)
    free_tasks_of_the_dead(name)
    connections.close_all()
    cluster.start()
    while cluster.sentinel.is_alive():
        beat(name, started_at=started_at)
        tend(name)
        cluster.sentinel.join(queue.BEAT_SECONDS)
    queue.end_beat(name)
    return int(cluster.sentinel.exitcode or 0)


def start_plugins(**_: Any) -> None:
    """In each process that works, after the fork: what a plug-in opens must not be shared."""
    plugins.start()
    Finalize(None, plugins.stop, exitpriority=1)


def beat(name: str, *, started_at: datetime) -> None:
    """A missed beat is not the end of the cluster: the database may be starting again."""
    try:
        queue.beat(name, started_at=started_at)
    except (DatabaseError, InterfaceError) as error:
        log.warning("heartbeat_missed", cluster=name, reason=str(error))
    finally:
        connection.close()


def tend(name: str) -> None:
    """What upper floors look for with every beat, because the clock of a minute would find it late."""
    try:
        for function in settings.CALLED_WITH_EVERY_BEAT:
            import_string(function)()
    except (DatabaseError, InterfaceError) as error:
        log.warning("look_missed", cluster=name, reason=str(error))
    finally:
        connection.close()


def free_tasks_of_the_dead(name: str) -> int:
    """Let tasks be taken again that no living cluster can have; returns how many. The queue itself waits for an hour.

    Only where it is certain: a cluster on another machine may be at work, however long it has been silent.
    """
    others = WorkerHeartbeat.objects.filter(cluster=name).exclude(host=socket.gethostname(), pid=os.getpid())
    if any(other.host != socket.gethostname() or is_cluster(other.pid) for other in others):
        return 0
    others.delete()
    freed = int(OrmQ.objects.filter(key=name, lock__gt=timezone.now()).update(lock=timezone.now()))
    if freed:
        log.warning("tasks_freed", cluster=name, tasks=freed)
    return freed


def is_cluster(pid: int) -> bool:
    """Whether the process lives and does background work: its number may have been given to another one."""
    return is_alive(pid) and " work " in command_line(pid)

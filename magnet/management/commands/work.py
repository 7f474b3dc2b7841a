"""`manage.py work`: does the background work, in one process tree for each cluster."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from magnet import queue
from magnet.errors import NotConfigured
from magnet.processes import lifeline
from magnet.processes.supervisor import Program, Supervisor


class Command(BaseCommand):
    help = "Do background work: syncs, embedding, schedules. Without --cluster, both clusters run."
    # `start` and the deployment's own check have made them; each process that repeats them starts later.
    requires_system_checks: tuple[str, ...] = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--cluster", choices=queue.CLUSTERS, help="run only this cluster")
        parser.add_argument("--parent", type=int, help="be one cluster, and end when this process is gone")

    def handle(self, *args: Any, cluster: queue.Cluster | None, parent: int | None, **options: Any) -> None:
        names = (cluster,) if cluster else queue.CLUSTERS
        if parent is None:
            sys.exit(Supervisor(programs(names)).run())
        lifeline.end_with(parent)
        self.work(names[0])

    def work(self, name: queue.Cluster) -> None:
        from magnet.processes.cluster import work

        try:
            sys.exit(work(name))
        except NotConfigured as error:
            raise CommandError(str(error)) from error


def programs(names: Sequence[queue.Cluster] = queue.CLUSTERS) -> list[Program]:
    """The clusters as programs that end with this process; with all of them, also what runs beside them."""
    steady = settings.STEADY_COMMANDS if tuple(names) == tuple(queue.CLUSTERS) else []
    return [program(name, "work", "--cluster", name) for name in names] + [program(name, name) for name in steady]


def program(name: str, *command: str) -> Program:
    manage = str(settings.BASE_DIR / "manage.py")
    return Program(name, [sys.executable, manage, *command, "--parent", str(os.getpid())])

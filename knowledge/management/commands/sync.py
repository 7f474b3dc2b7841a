"""`manage.py sync SLUG`: syncs one knowledge source in this terminal, and shows how far it is."""

from __future__ import annotations

import logging
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from knowledge import sync
from knowledge.models import IndexedDocument, KnowledgeSource, SyncRun
from knowledge.run_log import counted
from magnet.callers import Caller, acting_as
from magnet.errors import MagnetError
from magnet.tracing import flush

CALLER = Caller(label="Command line", scopes=frozenset({"all"}))
BAR_WIDTH = 24
LOOK_SECONDS = 1.0
# How many failed documents are named; the admin shows all of them.
FAILURES_NAMED = 20


class Command(BaseCommand):
    help = "Look for changes in a knowledge source now, and show the progress. Ends with 1 when the sync failed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="the knowledge source")

    def handle(self, *args: Any, slug: str, **options: Any) -> None:
        source = find(slug)
        self.began, self.last_line = time.monotonic(), ""
        try:
            with acting_as(CALLER), without_log_lines():
                run = self.follow(sync.start(source))
        except MagnetError as error:
            raise CommandError(error.detail) from error
        except KeyboardInterrupt:
            raise CommandError("Stopped watching. A worker carries the sync to its end.", returncode=130) from None
        finally:
            flush()
        self.end_line()
        refuse_failure(run)
        self.tell(run)

    def follow(self, run: SyncRun) -> SyncRun:
        """Carry the run to its end; where a worker is at it already, watch it."""
        while True:
            run = sync.run_to_end(run, on_progress=self.show)
            if run.is_finished or run.status == SyncRun.Status.WAITING:
                return run
            self.show(run)
            time.sleep(LOOK_SECONDS)

    def show(self, run: SyncRun) -> None:
        line = progress(run, seconds=time.monotonic() - self.began)
        if line == self.last_line:
            return
        if self.stdout.isatty():
            self.stdout.write(f"\r{line.ljust(len(self.last_line))}", ending="")
            self.stdout.flush()
        else:
            self.stdout.write(line)
        self.last_line = line

    def end_line(self) -> None:
        if self.last_line and self.stdout.isatty():
            self.stdout.write("")

    def tell(self, run: SyncRun) -> None:
        receipt = run.receipt or {}
        counts = ", ".join(f"{receipt.get(name, 0):,} {name}" for name in ("added", "changed", "unchanged", "deleted"))
        states = ", ".join(f"{receipt.get(name, 0):,} {name}" for name in ("live", "stale", "failed", "excluded"))
        self.stdout.write(f"Done in {time.monotonic() - self.began:.1f} s: {counts}.")
        self.stdout.write(f"The source has {counted(receipt.get('seen', 0))}: {states}.")
        if run.notice:
            self.stdout.write(run.notice)
        self.tell_failures(run.source)

    def tell_failures(self, source: KnowledgeSource) -> None:
        failures = (
            IndexedDocument.objects.filter(index=source.live_index).exclude(failure="").select_related("document")
        )
        for entry in failures.order_by("document__title")[:FAILURES_NAMED]:
            self.stderr.write(f"{entry.document} ({entry.state}): {entry.failure}")
        if (count := failures.count()) > FAILURES_NAMED:
            self.stderr.write(f"… and {count - FAILURES_NAMED:,} more. The admin shows all of them under Documents.")


@contextmanager
def without_log_lines() -> Iterator[None]:
    """They would tear the progress bar apart, and say nothing that it does not say; warnings still come."""
    logger = logging.getLogger("knowledge")
    before = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(before)


def find(slug: str) -> KnowledgeSource:
    source = KnowledgeSource.objects.filter(slug=slug).first()
    if source is None:
        known = ", ".join(KnowledgeSource.objects.order_by("slug").values_list("slug", flat=True)[:20])
        raise CommandError(f"There is no knowledge source “{slug}”. " + (f"There are: {known}." if known else ""))
    return source


def refuse_failure(run: SyncRun) -> None:
    name = run.source.name
    if run.status == SyncRun.Status.FAILED:
        raise CommandError(run.error)
    if run.status == SyncRun.Status.CANCELLED:
        raise CommandError(f"Somebody has cancelled this sync of “{name}”.")
    if run.status == SyncRun.Status.WAITING:
        raise CommandError(f"{run.question} Nothing was done yet. Both are in the admin, on the page of “{name}”.")


def progress(run: SyncRun, *, seconds: float) -> str:
    """One line: what is happening, how much is done, how fast, and how long the rest takes."""
    if run.is_resting:
        return run.remark
    if run.status in (SyncRun.Status.QUEUED, SyncRun.Status.LISTING):
        return f"{run.get_status_display()}, {counted(run.listed)} so far"
    if not run.to_do:
        return "Nothing has changed."
    share = min(1.0, run.done / run.to_do)
    bar = ("█" * round(share * BAR_WIDTH)).ljust(BAR_WIDTH, "░")
    line = f"{bar} {run.done:,} of {counted(run.to_do)}"
    rate = run.done / seconds if seconds > 0 else 0.0
    if not rate or run.done >= run.to_do:
        return line
    return f"{line}, {rate:,.1f} a second, {lasting((run.to_do - run.done) / rate)} left"


def lasting(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"

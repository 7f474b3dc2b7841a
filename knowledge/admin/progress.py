"""How a sync stands, in numbers and words, for the bar that a person watches."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from knowledge.models import SyncRun
from magnet import queue
from magnet.templatetags.magnet_admin import money

# After this time in the queue somebody should look at the workers.
QUEUED_TOO_LONG_SECONDS = 30
# Before that, a rate says nothing.
RATE_AFTER_SECONDS = 1.0


def progress_of(run: SyncRun) -> dict[str, Any]:
    """JSON: status, counts, documents a second, seconds left, and one sentence that says it all."""
    rate = rate_of(run)
    left = max(run.to_do - run.done, 0)
    is_stuck = run.looks_stuck or waits_too_long(run)
    return {
        "id": str(run.pk),
        "status": run.status,
        "label": str(run.get_status_display()),
        "is_finished": run.is_finished,
        "is_waiting": run.status == SyncRun.Status.WAITING,
        "is_stuck": is_stuck,
        "listed": run.listed,
        "done": run.done,
        "to_do": run.to_do,
        "percent": round(100 * min(run.done / run.to_do, 1), 1) if run.to_do else None,
        "rate": round(rate, 1) if rate else None,
        "seconds_left": round(left / rate) if rate and left else None,
        "sentence": sentence(run, rate=rate, left=left, is_stuck=is_stuck),
    }


def rate_of(run: SyncRun) -> float | None:
    """Documents a second since the start; None while there is nothing to count."""
    if run.started_at is None or not run.done:
        return None
    spent = ((run.finished_at or timezone.now()) - run.started_at).total_seconds()
    return run.done / spent if spent >= RATE_AFTER_SECONDS else None


def waits_too_long(run: SyncRun) -> bool:
    waited = (timezone.now() - (run.heartbeat_at or run.created_at)).total_seconds()
    return run.status == SyncRun.Status.QUEUED and not run.is_resting and waited > QUEUED_TOO_LONG_SECONDS


def sentence(run: SyncRun, *, rate: float | None, left: int, is_stuck: bool) -> str:
    status = SyncRun.Status
    if is_stuck:
        return stuck_sentence()
    if run.is_resting:
        return run.remark
    if run.status == status.QUEUED:
        return _("Waiting for a worker to begin.")
    if run.status == status.LISTING:
        one, many = "%(n)s document listed so far.", "%(n)s documents listed so far."
        return _("Looking at the source:") + " " + ngettext(one, many, run.listed) % {"n": f"{run.listed:,}"}
    if run.status == status.INDEXING:
        return indexing_sentence(run, rate=rate, left=left)
    if run.status == status.WAITING:
        return run.question
    return run.remark or _("Finished.")


def stuck_sentence() -> str:
    if not queue.state().is_alive:
        return _("No worker is running, so nothing moves. Start one with “manage.py work”; the sync goes on by itself.")
    return _("No sign of life for a minute. Another worker takes over by itself; cancel it if it does not.")


def indexing_sentence(run: SyncRun, *, rate: float | None, left: int) -> str:
    one, many = "%(done)s of %(all)s document", "%(done)s of %(all)s documents"
    counted = ngettext(one, many, run.to_do) % {"done": f"{run.done:,}", "all": f"{run.to_do:,}"}
    if not rate:
        return counted
    parts = [counted, _("%(rate).1f a second") % {"rate": rate}]
    if left:
        parts.append(_("about %(time)s left") % {"time": spoken_time(left / rate)})
    return " · ".join(parts)


def spoken_time(seconds: float) -> str:
    if seconds < 90:
        n = max(round(seconds), 1)
        return ngettext("%(n)d second", "%(n)d seconds", n) % {"n": n}
    n = round(seconds / 60)
    return ngettext("%(n)d minute", "%(n)d minutes", n) % {"n": n}


def receipt_sentences(run: SyncRun) -> list[str]:
    """The receipt in words; empty until the run is over, and where it failed before it saw anything."""
    receipt = run.receipt
    saw_nothing = run.status == SyncRun.Status.FAILED and not (receipt or {}).get("seen")
    if not receipt or saw_nothing:
        return []
    seen = ngettext("%(n)s document was seen", "%(n)s documents were seen", receipt["seen"]) % {
        "n": f"{receipt['seen']:,}"
    }
    states = {
        _("live"): receipt.get("live", 0),
        _("serving their old version"): receipt.get("stale", 0),
        _("failed"): receipt.get("failed", 0),
        _("excluded"): receipt.get("excluded", 0),
        _("still waiting"): receipt.get("pending", 0),
    }
    parts = ", ".join(f"{count:,} {label}" for label, count in states.items() if count or label == _("live"))
    return [f"{seen}: {parts}.", moves_sentence(run, receipt), work_sentence(receipt), *context_sentences(receipt)]


def moves_sentence(run: SyncRun, receipt: dict[str, Any]) -> str:
    if run.trigger in SyncRun.WITHOUT_LISTING:
        moves = ngettext("%(n)s document was worked on.", "%(n)s documents were worked on.", run.done)
        return moves % {"n": f"{run.done:,}"}
    return _("%(added)s added, %(changed)s changed, %(unchanged)s unchanged, %(deleted)s deleted.") % {
        name: f"{receipt.get(name, 0):,}" for name in ("added", "changed", "unchanged", "deleted")
    }


def work_sentence(receipt: dict[str, Any]) -> str:
    embedded = receipt.get("chunks_embedded", 0)
    one, many = "%(embedded)s chunk embedded, %(reused)s reused.", "%(embedded)s chunks embedded, %(reused)s reused."
    said = ngettext(one, many, embedded)
    return said % {
        "embedded": f"{embedded:,}",
        "reused": f"{receipt.get('chunks_reused', 0):,}",
    }


def context_sentences(receipt: dict[str, Any]) -> list[str]:
    """What a chat model was paid for lines of context; nothing where there are none."""
    tokens = receipt.get("context_tokens", 0)
    if not tokens:
        return []
    said = _("Lines of context took %(tokens)s tokens of a chat model, %(cost)s of the cost.")
    return [said % {"tokens": f"{tokens:,}", "cost": money(Decimal(receipt["context_cost"]))}]

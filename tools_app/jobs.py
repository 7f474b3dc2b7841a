"""What the clock does with answers: once a minute, those that wait for it are analysed."""

from __future__ import annotations

from magnet import queue
from tools_app import analysis

# A busy minute is worked off in several tasks, so that other jobs get their turn.
STEP = "tools_app.jobs.analyse_answers"


def analyse_answers() -> int:
    count = analysis.analyse_waiting()
    if count >= analysis.BATCH:
        queue.enqueue(STEP)
    return count

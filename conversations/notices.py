"""What processes tell each other of turns: events were written, or somebody wants one stopped."""

from __future__ import annotations

from uuid import UUID

from conversations import following, turn_runs

CANCEL = "cancel"


def heard(payload: str) -> None:
    kind, _, rest = payload.partition(" ")
    if kind == CANCEL:
        turn_runs.cancel(UUID(rest))
    else:
        following.heard(payload)

"""Who may see a document in its source, as groups that callers bring; what cannot be read is for nobody.

People are their e-mail address, everybody of an organisation is its domain, groups are their name or id.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from magnet.errors import FetchFailed

# None is everybody.
Groups = tuple[str, ...] | None
NOBODY: Groups = ()

# Longer names fit in no row: they stand for nobody.
MAX_NAME_CHARACTERS = 200
# What an API answers that will not tell; everything else (a fault, too many requests) ends the listing.
REFUSALS = (400, 403, 404, 410)
# Google says by 403 that it was asked too often.
TOO_OFTEN = ("rate limit", "ratelimit", "quota")
# What a source does not tell of changed permissions is found by listing completely, once a day.
FULL_PASS_SECONDS = 24 * 3_600


@dataclass
class Tally:
    """How many documents of a listing are for nobody, and why."""

    for_nobody: int = 0
    unread: int = 0
    unread_groups: int = 0

    def of(self, ask: Callable[[], Groups]) -> Groups:
        """What `ask` finds of one document; nobody where the source refuses to say. Other failures are raised."""
        try:
            groups = ask()
        except FetchFailed as error:
            if not is_refusal(error):
                raise
            groups = NOBODY
            self.unread += 1
        if groups is not None:
            groups = tuple(name for name in groups if len(name) <= MAX_NAME_CHARACTERS)
        self.for_nobody += groups == NOBODY
        return groups

    @property
    def notice(self) -> str:
        said = []
        if self.for_nobody:
            why = f"of {self.unread:,} the source did not say who may see them, of the others it named nobody"
            found = "is found" if self.for_nobody == 1 else "are found"
            said.append(
                f"{_counted(self.for_nobody)} {found} only with the right to all documents: {why} whom an address or "
                "a group stands for."
            )
        if self.unread_groups:
            said.append(f"The source did not say who belongs to {self.unread_groups:,} of its groups.")
        return " ".join(said)


def is_refusal(error: FetchFailed) -> bool:
    asks_to_wait = any(word in error.detail.casefold() for word in TOO_OFTEN)
    return error.extra.get("remote_status") in REFUSALS and not asks_to_wait


def is_expired(moment: Any) -> bool:
    """Whether a permission has ended; one whose end cannot be read has. Graph says “0001-01-01” for none."""
    if not moment or str(moment).startswith("0001-"):
        return False
    try:
        end = datetime.fromisoformat(str(moment).replace("Z", "+00:00"))
    except ValueError:
        return True
    return (end if end.tzinfo else end.replace(tzinfo=UTC)) <= datetime.now(UTC)


def full_pass_is_due(state: dict[str, Any]) -> bool:
    """Whether permissions were last read completely a day ago, or never."""
    return bool(time.time() - float(state.get("permissions_at", 0)) > FULL_PASS_SECONDS)


def _counted(number: int) -> str:
    return "1 document" if number == 1 else f"{number:,} documents"

"""What an import does, object by object and field by field, in words."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

from magnet.transfer.kinds import Described, Reference

STATES = ("create", "change", "unchanged", "missing", "refused")
# A reader of a plan wants to see what changed; the whole stands in the file.
MOST_SHOWN = 2_000


@dataclass(frozen=True)
class Change:
    """One field, such as live.prompt, as it is here and as it will be."""

    field: str
    before: str
    after: str


@dataclass(frozen=True)
class Step:
    """What happens to one object."""

    reference: Reference
    state: Literal["create", "change", "unchanged", "missing", "refused"]
    changes: tuple[Change, ...] = ()
    # What it depends on, and nobody has.
    missing: tuple[Reference, ...] = ()
    reason: str = ""
    notes: tuple[str, ...] = ()
    to_do: tuple[str, ...] = ()

    @property
    def in_words(self) -> str:
        if self.missing:
            return f"{self.reference} needs {', '.join(map(str, self.missing))}, which is neither here nor in the file."
        return f"{self.reference}: {self.reason or self.state}"


@dataclass(frozen=True)
class Plan:
    """All steps, in the order in which they are done."""

    steps: tuple[Step, ...]

    @property
    def is_possible(self) -> bool:
        return not any(step.state in ("missing", "refused") for step in self.steps)

    @property
    def changes_something(self) -> bool:
        return any(step.state in ("create", "change") for step in self.steps)

    @property
    def why_not(self) -> str:
        """The first things in the way."""
        stopped = [step.in_words for state in ("missing", "refused") for step in self.steps if step.state == state]
        more = f" And {len(stopped) - 3} more." if len(stopped) > 3 else ""
        return " ".join(stopped[:3]) + more

    @property
    def to_do(self) -> list[str]:
        return [sentence for step in self.steps for sentence in step.to_do]

    @property
    def counts(self) -> dict[str, int]:
        return {state: sum(step.state == state for step in self.steps) for state in STATES}

    @property
    def in_words(self) -> str:
        return ", ".join(f"{count} {WORDS[state]}" for state, count in self.counts.items() if count) or "nothing"

    @property
    def fingerprint(self) -> str:
        """The same for plans that do the same: whoever has looked at one can ask for no other to be carried out."""
        said = [(str(step.reference), step.state, [asdict(change) for change in step.changes]) for step in self.steps]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()

    def as_json(self) -> dict[str, Any]:
        steps = [
            {
                "object": str(step.reference),
                "state": step.state,
                "changes": [asdict(change) for change in step.changes],
                "missing": [str(reference) for reference in step.missing],
                "reason": step.reason,
                "notes": list(step.notes),
            }
            for step in self.steps
        ]
        return {
            "is_possible": self.is_possible,
            "fingerprint": self.fingerprint,
            "counts": self.counts,
            "steps": steps,
            "to_do": self.to_do,
        }


WORDS = {
    "create": "to create",
    "change": "to change",
    "unchanged": "unchanged",
    "missing": "with something missing",
    "refused": "refused",
}


def changes_between(before: Described, after: Described) -> tuple[Change, ...]:
    """The fields that differ, in the order of a file; a draft that is new is compared with what is live."""
    if "live" in before and "draft" in after and "draft" not in before and after["draft"] != before["live"]:
        before = {**before, "draft": before["live"]}
    old, new = dict(_flat(before)), dict(_flat(after))
    names = [*new, *(name for name in old if name not in new)]
    return tuple(
        Change(name, in_words(old.get(name)), in_words(new.get(name)))
        for name in names
        if old.get(name) != new.get(name)
    )


def _flat(described: Described, within: str = "") -> Iterator[tuple[str, Any]]:
    """Settings of versions each by its own name; everything deeper is one value."""
    for name, value in described.items():
        if name in ("live", "draft") and not within and isinstance(value, dict):
            yield from _flat(value, f"{name}.")
        else:
            yield f"{within}{name}", value


def in_words(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…"

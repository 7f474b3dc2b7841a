"""Import: what a file would change, said before it is done; then all of it in one transaction, or nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from django.db import DataError, IntegrityError, transaction

from magnet.errors import Conflict, InvalidInput
from magnet.models import AuditEntry
from magnet.transfer.documents import Objects
from magnet.transfer.kinds import KINDS, Described, Order, Reference, kind_of
from magnet.transfer.plans import Plan, Step, changes_between
from magnet.transfer.rights import demand

STALE = "Something here was changed since you looked at what the import would do. Look at it once more."
State = Literal["create", "change", "unchanged", "missing", "refused"]


class NobodyHas(Exception):
    """An object that is neither in the file nor here."""

    def __init__(self, reference: Reference) -> None:
        super().__init__(str(reference))
        self.reference = reference


def plan(objects: Objects, *, publish: bool = False) -> Plan:
    """What an import would do, found out by doing it and taking it back. Raises NotAllowed, InvalidInput."""
    return _carried_out(objects, publish=publish, is_rehearsal=True)


def apply(objects: Objects, *, publish: bool = False, seen: str = "") -> Plan:
    """Import everything. Raises Conflict with the plan when something is missing or refused: nothing is done.

    `seen` is the fingerprint of the plan that was looked at: when another would be carried out by now, nothing is.
    """
    done = _carried_out(objects, publish=publish, is_rehearsal=False, seen=seen)
    if not done.is_possible:
        raise Conflict(f"Nothing is imported. {done.why_not}", plan=done.as_json())
    if seen and done.fingerprint != seen:
        raise Conflict(f"Nothing is imported. {STALE}", plan=done.as_json())
    return done


@transaction.atomic
def _carried_out(objects: Objects, *, publish: bool, is_rehearsal: bool, seen: str = "") -> Plan:
    references = _in_order(objects)
    work = {reference: _Work(reference, objects, publish=publish) for reference in references}
    for each in work.values():
        each.begin()
    for each in work.values():
        each.end(work)
    result = Plan(tuple(each.step() for each in work.values()))
    is_stale = bool(seen) and result.fingerprint != seen
    if is_rehearsal or is_stale or not result.is_possible:
        transaction.set_rollback(True)
    return result


def _in_order(objects: Objects) -> list[Reference]:
    """What others refer to first. Raises InvalidInput for unknown kinds, NotAllowed for those one may not change."""
    for name in dict.fromkeys(reference.kind for reference in objects):
        demand(kind_of(name), "write")
    order = list(KINDS)
    by_name = sorted(objects, key=lambda reference: (order.index(reference.kind), reference.slug))
    settled: dict[Reference, None] = {}
    for each in by_name:
        _settle(each, objects, settled, on_the_way=())
    return list(settled)


def _settle(
    reference: Reference, objects: Objects, settled: dict[Reference, None], *, on_the_way: tuple[Reference, ...]
) -> None:
    """Those of its own kind that an object names go before it; a circle is begun anywhere."""
    kind = kind_of(reference.kind)
    given = {name: value for name, value in objects[reference].items() if name not in kind.later}
    for named in kind.named_in(given):
        if named.kind == reference.kind and named in objects and named not in (*on_the_way, reference):
            _settle(named, objects, settled, on_the_way=(*on_the_way, reference))
    settled.setdefault(reference)


class _Work:
    """One object on its way in: as it was, as it became, and why it cannot."""

    def __init__(self, reference: Reference, objects: Objects, *, publish: bool) -> None:
        self.reference, self.given, self.objects = reference, objects[reference], objects
        self.kind = kind_of(reference.kind)
        self.order = Order(publishes=publish, find=found)
        self.before: Described | None = None
        self.row: Any = None
        self.fault = ""
        self.missing: list[Reference] = []

    def begin(self) -> None:
        """Everything but what may go round in a circle."""
        self.row = self.kind.find(self.reference.slug)
        self.before = self.kind.describe(self.row) if self.row is not None else None
        given = {name: value for name, value in self.given.items() if name not in self.kind.later}
        self.attempt(given)

    def end(self, work: dict[Reference, _Work]) -> None:
        later = {name: value for name, value in self.given.items() if name in self.kind.later}
        if not later or self.fault or self.missing:
            return
        self.attempt(later)

    def attempt(self, given: Described) -> None:
        absent = _not_there(self.kind.named_in(given))
        self.missing = [reference for reference in absent if reference not in self.objects]
        if waits := [str(reference) for reference in absent if reference in self.objects]:
            self.fault = f"It needs {', '.join(waits)}, which cannot be imported either."
        if absent:
            return
        try:
            with transaction.atomic():
                self.row = self.kind.take(self.row, self.reference.slug, given, self.order)
        except NobodyHas as error:
            self.missing = [error.reference]
        except (InvalidInput, Conflict) as error:
            self.fault = error.detail
        except (DataError, IntegrityError):
            self.fault = "A value is too large, or stands in the way of another object here."

    def step(self) -> Step:
        if self.fault or self.missing:
            state: State = "refused" if self.fault else "missing"
            return Step(self.reference, state, missing=tuple(self.missing), reason=self.fault)
        after = self.kind.describe(self.kind.find(self.reference.slug))
        changes = changes_between(self.before or {}, after)
        state = "create" if self.before is None else "change" if changes else "unchanged"
        if state != "unchanged":
            AuditEntry.record("imported", self.row, as_new=state == "create", fields=[c.field for c in changes][:50])
        to_do = tuple(self.kind.to_do(self.row, self.given))
        return Step(self.reference, state, changes=changes, notes=tuple(self.order.notes), to_do=to_do)


def found(reference: Reference) -> Any:
    row = kind_of(reference.kind).find(reference.slug)
    if row is None:
        raise NobodyHas(reference)
    return row


def _not_there(named: Iterable[Reference]) -> list[Reference]:
    return [reference for reference in dict.fromkeys(named) if kind_of(reference.kind).find(reference.slug) is None]

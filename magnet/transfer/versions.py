"""Kinds with versions: what comes in is a new draft, or a published version when that is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from magnet import configuration
from magnet.errors import InvalidInput
from magnet.models import AuditEntry
from magnet.models.versions import Version
from magnet.transfer.kinds import Described, Kind, Order, misfit, plain, plain_columns, prove, tags_in, tags_of
from magnet.transfer.rights import demand

NOTE = "Imported"
STATES = ("live", "draft")
ONLY_LIVE_TAKEN = gettext_noop(
    "The file has a live version and a draft, and there is room for one draft here: it gets what is live in the file. "
    "For the draft in the file, publish that first, then import the file again."
)


class VersionedKind(Kind):
    """A subclass names the columns of its identity, and what its versions refer to."""

    columns: ClassVar[tuple[str, ...]] = ("name", "description")
    # What stands in the file beside identity and versions.
    extras: tuple[str, ...] = ()

    @property
    def further(self) -> tuple[str, ...]:  # type: ignore[override]  # made of what a subclass says
        return ("tags", *self.extras, *STATES)

    @property
    def version_model(self) -> Any:
        return self.model.version_model()  # type: ignore[attr-defined]  # they are Versioned

    def rows(self) -> Any:
        return super().rows().select_related("live", "draft")

    def describe(self, row: Any) -> Described:
        described = {**plain_columns(row, self.columns), "tags": tags_of(row), **self.described_extras(row)}
        for state in STATES:
            if version := getattr(row, state):
                described[state] = self.describe_version(version)
        return described

    def described_extras(self, row: Any) -> Described:
        return {}

    def describe_version(self, version: Version) -> Described:
        return {name: plain(value) for name, value in version.settings().items()}

    def blocks(self, given: Described) -> Iterator[Described]:
        yield from (given[state] for state in STATES if isinstance(given.get(state), dict))

    # -- Taking in -------------------------------------------------------------------------------------------------

    def take(self, row: Any, slug: str, given: Described, order: Order) -> Any:
        self.refuse_unknown(given, self.known_fields())
        for state in STATES:
            if not isinstance(given.get(state, {}), dict):
                raise misfit(state, "This has to be a mapping of settings.")
        row = self.take_identity(row, slug, given, order)
        self.take_extras(row, given)
        live, draft = given.get("live"), given.get("draft")
        if live is not None and not self.is_state(row.live, row, live, order):
            if order.publishes:
                self.publish(row, live, order)
            else:
                self.take_draft(row, live, order)
                if draft is not None:
                    order.notes.append(_(ONLY_LIVE_TAKEN))
                return row
        if draft is not None:
            self.take_draft(row, draft, order)
        return row

    def take_identity(self, row: Any, slug: str, given: Described, order: Order) -> Any:
        values = self.values(self.model, {name: given[name] for name in self.columns if name in given}, order)
        tags = tags_in(given)
        if row is not None:
            moved = any(getattr(row, name) != value for name, value in values.items())
            if moved or (tags is not None and tags != tags_of(row)):
                configuration.change(row, values, tags=tags)
            return row
        row = self.model(slug=slug, **values)
        prove(row, exclude=("live", "draft"))
        row.save()
        configuration.set_tags(row, tags)
        AuditEntry.record("created", row)
        return row

    def take_extras(self, row: Any, given: Described) -> None:
        """Take what a subclass keeps beside its versions."""

    def is_state(self, version: Version | None, row: Any, given: Described, order: Order) -> bool:
        """Whether this version says what a file says."""
        if version is None:
            return False
        wanted = self.settled(version, row, given, order)
        return self.as_described(wanted) == self.describe_version(version)

    def settled(self, base: Version | None, row: Any, given: Described, order: Order) -> dict[str, Any]:
        """All settings as Python has them: those given, the others as in `base`. Raises InvalidInput."""
        model = self.version_model
        present = model.SETTINGS if base is None else tuple(base.settings())
        self.refuse_unknown(given, (*model.SETTINGS, *self.references))
        values = self.values(model, given, order)
        candidate = model(identity=row, number=1)
        for name in model.SETTINGS:
            setattr(candidate, name, values[name] if name in values else getattr(base or candidate, name))
        prove(candidate, exclude=("identity", "number"))
        beside = {name: values[name] for name in values if name not in model.SETTINGS}
        if base is not None:
            kept = self.values(model, {n: base.settings()[n] for n in present if n not in model.SETTINGS}, order)
            beside = {**kept, **beside}
        return {**{name: getattr(candidate, name) for name in model.SETTINGS}, **beside}

    def as_described(self, settings: dict[str, Any]) -> Described:
        """Lists of rows have no order of their own."""
        lists = {name for name in self.references if name not in self.version_model.SETTINGS}
        return {name: sorted(plain(value)) if name in lists else plain(value) for name, value in settings.items()}

    def take_draft(self, row: Any, given: Described, order: Order) -> None:
        """The draft that was there stays among the versions."""
        base = row.draft or row.live
        if row.draft is not None and self.is_state(row.draft, row, given, order):
            return
        settings = self.settled(base, row, given, order)
        row.start_draft(copy_of=row.draft, note=NOTE)
        row.edit(settings)

    def publish(self, row: Any, given: Described, order: Order) -> None:
        """What comes in goes live; somebody's draft stays the draft."""
        demand(self, "publish")
        if self.is_state(row.draft, row, given, order):
            row.publish(note=NOTE)
            return
        kept, settings = row.draft, self.settled(row.live, row, given, order)
        row.start_draft(copy_of=kept, note=NOTE)
        row.edit(settings)
        row.publish(note=NOTE)
        if kept is not None:
            row.draft = kept
            row.save(update_fields=["draft", "updated_at"])


def texts_of(given: Any, *, name: str) -> dict[str, dict[str, Any]]:
    """A mapping of names to mappings. Raises InvalidInput."""
    if isinstance(given, dict) and all(isinstance(value, dict) for value in given.values()):
        return given
    raise InvalidInput.in_fields({name: ["This has to be a mapping of names to mappings."]})

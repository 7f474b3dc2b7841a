"""Draft, compare, publish, undo: an identity, its numbered versions, and who moved what is live."""

from __future__ import annotations

from typing import Any, ClassVar, Self, cast

from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from magnet.callers import current_caller
from magnet.errors import Conflict, InvalidInput, NotFound
from magnet.ids import uuid7
from magnet.models.access import AuditEntry
from magnet.models.base import Named, Tagged


class Publication(models.Model):
    """One move of what is live. `undone_at` marks a move that was taken back."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    created_at = models.DateTimeField(_("when"), default=timezone.now)
    object_type = models.CharField(max_length=100)
    object_id = models.CharField(max_length=100)
    object_label = models.CharField(_("what"), max_length=300)
    from_version = models.PositiveIntegerField(_("from version"), null=True)
    to_version = models.PositiveIntegerField(_("to version"), null=True)
    actor_label = models.CharField(_("who"), max_length=300)
    note = models.TextField(_("note"), blank=True)
    undone_at = models.DateTimeField(_("taken back"), null=True, blank=True)

    class Meta:
        verbose_name = _("publication")
        verbose_name_plural = _("publications")
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["object_type", "object_id", "-created_at"], name="publication_by_object")]

    def __str__(self) -> str:
        return f"{self.object_label} {self.from_version} → {self.to_version}"


class Version(models.Model):
    """One numbered state of an identity; a trigger refuses changes once it is published.

    A subclass adds `identity = ForeignKey(Identity, related_name="versions")` and its settings as columns, and names
    those that people edit in `SETTINGS`.
    """

    SETTINGS: ClassVar[tuple[str, ...]] = ()

    number = models.PositiveIntegerField(_("version"))
    note = models.CharField(_("what changed"), max_length=300, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    changed_at = models.DateTimeField(_("changed"), auto_now=True)
    author = models.CharField(_("by"), max_length=300, blank=True)
    published_at = models.DateTimeField(_("published"), null=True, blank=True)

    class Meta:
        abstract = True
        ordering = ["-number"]

    def __str__(self) -> str:
        return f"version {self.number}"

    def settings(self) -> dict[str, Any]:
        """What people set, by column name; relations as the list of their slugs."""
        return {name: getattr(self, name) for name in self.SETTINGS}

    def apply(self, changes: dict[str, Any]) -> None:
        """Change settings of this draft and save it. Raises InvalidInput naming each field that does not fit."""
        unknown = sorted(set(changes) - set(self.SETTINGS))
        if unknown:
            raise InvalidInput(f"Unknown settings: {', '.join(unknown)}.", allowed=list(self.SETTINGS))
        for name, value in changes.items():
            setattr(self, name, value)
        self.prove()
        self.save()

    def prove(self) -> None:
        """Raises InvalidInput naming each setting that does not fit."""
        try:
            self.full_clean()
        except ValidationError as error:
            raise InvalidInput.in_fields(error.message_dict, what="Some settings do not fit") from error


class VersionedQuerySet(models.QuerySet[Any]):
    @transaction.atomic
    def create_live(self, *, settings: dict[str, Any] | None = None, **identity: Any) -> Any:
        """A new identity whose version 1 is live at once."""
        row = self.model(**identity)
        try:
            row.full_clean(exclude=["live", "draft"])
        except ValidationError as error:
            raise InvalidInput.in_fields(error.message_dict) from error
        row.save()
        # As a draft that is published at once, without looking for what a new row cannot have.
        version = self.model.version_model()(identity=row, number=1, author=current_caller().label)
        version.apply(settings or {})
        publication = _publication(row, version, note="First version")
        version.published_at = publication.created_at
        version.save(update_fields=["published_at"])
        row._move_live(row, version)
        AuditEntry.record("published", row, version=version.number, note=publication.note)
        return row


class Versioned(Named, Tagged):
    """What callers name by its slug. A subclass adds `live` and `draft`, both to its Version class."""

    # Counted up by each save of a draft, from one draft to the next too; whoever saves names the one they saw.
    revision = models.PositiveIntegerField(default=1, editable=False)

    live: Any
    draft: Any
    versions: Any

    class Meta:
        abstract = True

    @classmethod
    def version_model(cls) -> type[Version]:
        model: type[Version] = cls._meta.get_field("versions").related_model  # type: ignore[assignment]
        return model

    def locked(self) -> Self:
        return type(self)._default_manager.select_for_update(of=("self",)).get(pk=self.pk)

    def version(self, number: int | None) -> Version:
        """The version of this number, or the live one. Raises NotFound."""
        if number is None:
            if self.live is None:
                raise NotFound(f"“{self.name}” has no live version. Publish one.")
            return self.live  # type: ignore[no-any-return]
        found = self.versions.filter(number=number).first()
        if found is None:
            raise NotFound(f"“{self.name}” has no version {number}.")
        return found  # type: ignore[no-any-return]

    @transaction.atomic
    def start_draft(self, *, copy_of: Version | None = None, note: str = "") -> Version:
        """The draft: the present one, or a new copy of `copy_of` (by default of what is live)."""
        row: Any = self.locked()
        if row.draft is not None and copy_of is None:
            self.draft = row.draft
            return row.draft  # type: ignore[no-any-return]
        source = copy_of or row.live
        last = row.versions.aggregate(last=Max("number"))["last"] or 0
        version_model: Any = self.version_model()
        draft = version_model(identity=row, number=last + 1, note=note, author=current_caller().label)
        if source is not None:
            for field in source._meta.concrete_fields:
                if field.name in source.SETTINGS:
                    setattr(draft, field.attname, getattr(source, field.attname))
        draft.save()
        if source is not None:
            self.copy_relations(source, draft)
        row.draft = self.draft = draft
        row.save(update_fields=["draft", "updated_at"])
        return cast(Version, draft)

    def copy_relations(self, source: Any, draft: Any) -> None:
        """Copy what stands in other tables; a subclass with such tables says how."""

    @transaction.atomic
    def edit(self, changes: dict[str, Any], *, revision: int | None = None) -> Version:
        """Change the draft, starting one from the live version when there is none.

        `revision` is the one the editor saw; Conflict when somebody else has saved since.
        """
        row = self.locked()
        if revision is not None and row.revision != revision:
            raise Conflict(
                f"Somebody else has changed “{self.name}” meanwhile. Load it again and send its new revision.",
                revision=row.revision,
            )
        draft = self.start_draft()
        draft.apply(changes)
        self.revision = row.revision + 1
        type(self)._default_manager.filter(pk=self.pk).update(revision=self.revision)
        AuditEntry.record("changed the draft of", self, fields=sorted(changes))
        return draft

    @transaction.atomic
    def publish(self, *, number: int | None = None, note: str = "") -> Publication:
        """Make the draft (or the version `number`) what callers get."""
        row = self.locked()
        target = row.versions.filter(number=number).first() if number is not None else row.draft
        if target is None:
            raise Conflict(f"“{self.name}” has no draft to publish. Change something first.")
        publication = _publication(row, target, note=note)
        if target.published_at is None:
            target.prove()
            target.published_at = timezone.now()
            target.save(update_fields=["published_at"])
        self._move_live(row, target)
        AuditEntry.record("published", self, version=target.number, note=note)
        return publication

    @transaction.atomic
    def undo(self) -> Publication:
        """Take the last publication back; the version before it is live again."""
        row = self.locked()
        last = (
            Publication.objects.filter(object_type=row._meta.label_lower, object_id=str(row.pk), undone_at=None)
            .exclude(from_version=None)
            .first()
        )
        if last is None:
            raise Conflict(f"There is no earlier publication of “{self.name}” to go back to.")
        last.undone_at = timezone.now()
        last.save(update_fields=["undone_at"])
        self._move_live(row, row.versions.get(number=last.from_version))
        AuditEntry.record("undid the publication of", self, version=last.to_version, back_to=last.from_version)
        return last

    def _move_live(self, row: Any, target: Any) -> None:
        row.live = target
        if row.draft_id == target.pk:
            row.draft = None
        row.save(update_fields=["live", "draft", "updated_at"])
        self.live, self.draft = row.live, row.draft


def _publication(row: Any, target: Any, *, note: str) -> Publication:
    return Publication.objects.create(
        object_type=row._meta.label_lower,
        object_id=str(row.pk),
        object_label=str(row),
        from_version=row.live.number if row.live else None,
        to_version=target.number,
        actor_label=current_caller().label,
        note=note,
    )

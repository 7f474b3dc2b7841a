"""Rows that people configure: created, changed and removed in one transaction each, proven and put on record."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.db import connection, models, transaction
from django.db.models import ProtectedError, RestrictedError
from django.utils.text import slugify
from pydantic import BaseModel
from pydantic import ValidationError as ShapeError

from magnet.errors import Conflict, InvalidInput, NotFound
from magnet.models import AuditEntry
from magnet.models.uses import refuse_when_used, refuse_with_parts, uses_by, uses_of
from magnet.shape_faults import sentence

M = TypeVar("M", bound=models.Model)
# Never written into the audit, not even encrypted.
SECRET_COLUMNS = frozenset({"encrypted_api_key", "encrypted_secrets", "secret_hash"})


def find(rows: models.QuerySet[M], slug: str) -> M:
    """The row that callers name by `slug`. Raises NotFound."""
    row = rows.filter(slug=slug).first() if "\0" not in slug else None
    if row is None:
        raise NotFound(f"There is no {rows.model._meta.verbose_name} “{slug}”.")
    return row


def named(model: type[M], slug: str | None, *, field: str) -> M | None:
    """The row that a request refers to in `field`; None stays None. Raises InvalidInput, because the body is wrong."""
    if not slug:
        return None
    row = model._default_manager.filter(slug=slug).first() if "\0" not in slug else None
    if row is None:
        said = f"There is no {model._meta.verbose_name} “{slug}”."
        raise InvalidInput(said, errors={field: [said]})
    return row


def all_named(model: type[M], slugs: Iterable[str], *, field: str) -> list[M]:
    found = (named(model, slug, field=field) for slug in dict.fromkeys(slugs))
    return [row for row in found if row is not None]


def free_slug(model: type[models.Model], wanted: str | None, *, name: str) -> str:
    """The wanted slug, or one made from the name with a number where it is taken. Raises Conflict.

    Until the transaction ends it stays free: others who want one for the same kind wait.
    """
    hold_slugs(model)
    taken = model._default_manager.filter
    if wanted:
        if "\0" not in wanted and taken(slug=wanted).exists():
            raise Conflict(f"There is a {model._meta.verbose_name} with the slug “{wanted}” already.")
        return wanted
    base = slugify(name)[:90].strip("-_").replace("_", "-") or slugify(str(model._meta.verbose_name))
    slug, number = base, 1
    while taken(slug=slug).exists():
        number += 1
        slug = f"{base}-{number}"
    return slug


def hold_slugs(model: type[models.Model]) -> None:
    """Until the transaction ends, nobody else looks for a free slug of this kind."""
    with connection.cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"slug {model._meta.db_table}"])


@transaction.atomic
def create(row: M, *, tags: Iterable[str] = (), prepare: Callable[[M], None] | None = None) -> M:
    """Prove and store a new row; `prepare` sets what follows from the rest. Raises InvalidInput naming each field."""
    _prove(row)
    if prepare is not None:
        prepare(row)
    row.save()
    set_tags(row, tags)
    AuditEntry.record("created", row)
    return row


@transaction.atomic
def change(
    row: M,
    changes: dict[str, Any],
    *,
    tags: Iterable[str] | None = None,
    prepare: Callable[[M], None] | None = None,
) -> M:
    """Set columns of a row, prove it and store them. Raises InvalidInput, or NotFound when it was just deleted."""
    if type(row)._base_manager.select_for_update(no_key=True).filter(pk=row.pk).values("pk").first() is None:
        raise NotFound(f"“{row}” was deleted.")
    before = {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}
    for column, value in changes.items():
        setattr(row, column, value)
    _prove(row)
    if prepare is not None:
        prepare(row)
    row.save(update_fields=_changed_columns(row, before=before, named=changes))
    set_tags(row, tags)
    AuditEntry.record("changed", row, fields=sorted(set(changes) - SECRET_COLUMNS))
    return row


def _changed_columns(row: models.Model, *, before: dict[str, Any], named: Iterable[str]) -> list[str]:
    """Only these are stored: what others have moved since the row was read, such as what is live, is not set back."""
    return [
        field.name
        for field in row._meta.concrete_fields
        if field.name in named
        or getattr(field, "auto_now", False)
        or getattr(row, field.attname) != before[field.attname]
    ]


@transaction.atomic
def remove(
    row: models.Model,
    *,
    delete: Callable[[Any], Any] = lambda row: row.delete(),
    with_parts: bool = True,
    parameter: str = "",
) -> None:
    """Delete a row. Raises StillInUse with the names of what uses it or a part of it, and without `with_parts` also
    with those of its parts; `parameter` is what a caller sends to have them deleted as well."""
    refuse_when_used(row, uses_of(row))
    if not with_parts:
        refuse_with_parts(row, parameter=parameter)
    AuditEntry.record("deleted", row)
    try:
        delete(row)
    except (ProtectedError, RestrictedError) as error:
        users = error.protected_objects if isinstance(error, ProtectedError) else error.restricted_objects
        refuse_when_used(row, uses_by(users))
        raise


def prove(shape: type[BaseModel], value: dict[str, Any] | None, *, field: str) -> None:
    """Raises InvalidInput naming each part of the JSON in `field` that its kind cannot use, or does not know."""
    errors: dict[str, list[str]] = {}
    if value is None:
        raise InvalidInput(f"{field} is a JSON object.", errors={field: ["Send {} where there is nothing to set."]})
    for name in sorted(set(value) - set(shape.model_fields)):
        errors[f"{field}.{name}"] = [f"There is no such setting. Known are: {', '.join(shape.model_fields) or 'none'}."]
    try:
        shape.model_validate(value)
    except ShapeError as error:
        for fault in error.errors():
            errors.setdefault(".".join([field, *map(str, fault["loc"])]), [sentence(fault)])
    if errors:
        raise InvalidInput.in_fields(errors, what=f"Some settings in {field} do not fit")


def set_tags(row: Any, tags: Iterable[str] | None) -> None:
    if tags is not None and hasattr(row, "tags"):
        row.tags.set([tag.strip() for tag in tags if tag.strip()])


def _prove(row: models.Model) -> None:
    try:
        row.full_clean()
    except ValidationError as error:
        raise InvalidInput.in_fields(messages_by_field(error)) from error


def messages_by_field(error: ValidationError) -> dict[str, list[str]]:
    """What a form or a caller is told: the sentences of each field, those about the whole under ""."""
    if hasattr(error, "error_dict"):
        return {("" if field == "__all__" else field): list(said) for field, said in error.message_dict.items()}
    return {"": list(error.messages)}

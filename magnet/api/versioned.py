"""What the API says about everything that has versions, and the one way to create, change, publish and undo it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from pydantic import BaseModel

from magnet import configuration
from magnet.api.schemas import Publish
from magnet.callers import current_caller
from magnet.database import in_database
from magnet.errors import Conflict, InvalidInput, NotAllowed, NotFound
from magnet.models import AuditEntry, Publication
from magnet.models.versions import Version, Versioned

IDENTITY = ("name", "description", "tags", "slug")
NOT_SETTINGS = (*IDENTITY, "revision")

MOST_VERSIONS = 2**31 - 1

ShowSettings = Callable[[Any], BaseModel]


async def refuse_draft(model: type[Versioned], slug: str, number: int | None, *, scopes: str) -> None:
    """Callers get what was published, now or once. Raises NotAllowed for another version, unless they may change it.

    Staff who may see a draft in the admin may try it there.
    """
    caller = current_caller()
    may_try = caller.may(f"{scopes}:write") or (caller.kind == "user" and caller.may(f"{scopes}:read"))
    if number is None or may_try:
        return
    versions: Any = model.version_model()._default_manager
    drafts = versions.filter(identity__slug=slug, number=number, published_at=None)
    if await in_database(drafts.exists):
        raise NotAllowed(
            f"Version {number} has never been published. Leave out `version`, or use a key with {scopes}:write.",
            scope=f"{scopes}:write",
        )


def show(row: Any, *, settings: ShowSettings) -> dict[str, Any]:
    """An identity with its live version and its draft."""
    return {
        "slug": row.slug,
        "name": row.name,
        "description": row.description,
        "tags": sorted(tag.name for tag in row.tags.all()),
        "revision": revision_of(row),
        "live": show_version(row.live, settings=settings) if row.live else None,
        "draft": show_version(row.draft, settings=settings) if row.draft else None,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }


def show_version(version: Version, *, settings: ShowSettings) -> dict[str, Any]:
    return {
        "version": version.number,
        "note": version.note,
        "author": version.author,
        "published_at": version.published_at,
        "settings": settings(version),
    }


def revision_of(row: Any) -> int:
    """The revision that a change must name."""
    return int(row.revision)


def revision_seen(request: HttpRequest, given: int | None) -> int | None:
    """The revision that the caller saw, from the body or from If-Match; None when they do not care."""
    tag = request.headers.get("If-Match", "").strip()
    if given is not None or tag in ("", "*"):
        return given
    digits = tag.removeprefix("W/").strip('"')
    if not (digits.isascii() and digits.isdigit() and len(digits) < 10):
        raise InvalidInput(f'If-Match holds the revision in quotes, such as "3"; this one is {tag[:50]}.')
    return int(digits)


def note_revision(response: HttpResponse, shown: dict[str, Any]) -> None:
    response["ETag"] = f'"{shown["revision"]}"'


@transaction.atomic
def create(model: type[Versioned], *, identity: dict[str, Any], settings: dict[str, Any]) -> Any:
    """A new identity, its version 1 live at once."""
    tags = identity.pop("tags", None)
    slug = configuration.free_slug(model, identity.pop("slug", None), name=identity["name"])
    row = model._default_manager.create_live(settings=settings, slug=slug, **identity)  # type: ignore[attr-defined]
    configuration.set_tags(row, tags)
    AuditEntry.record("created", row)
    return row


@transaction.atomic
def change(row: Any, *, identity: dict[str, Any], settings: dict[str, Any], revision: int | None) -> Any:
    """Change name, description and tags at once, and settings in the draft. Raises Conflict on another revision."""
    if settings:
        row.edit(settings, revision=revision)
    elif revision not in (None, revision_of(row)):
        raise Conflict(f"Somebody else has changed “{row.name}”. Load it again.", revision=revision_of(row))
    tags = identity.pop("tags", None)
    if identity or tags is not None:
        configuration.change(row, identity, tags=tags)
    return row


def identity_in(body: Any, *, also: Collection[str] = ()) -> dict[str, Any]:
    """What a body says about the identity itself, beside the settings of its version; `also` are its own columns."""
    return {name: value for name, value in body.sent().items() if name in IDENTITY or name in also}


def publish(row: Any, body: Publish) -> dict[str, Any]:
    """Make the draft, or the version that the body names, what callers get."""
    return show_publication(row, row.publish(number=body.version, note=body.note))


def undo(row: Any) -> dict[str, Any]:
    return show_publication(row, row.undo())


def numbered(row: Any, number: int) -> Version:
    """One version of `row`, published or not. Raises NotFound."""
    if not 1 <= number <= MOST_VERSIONS:
        raise NotFound(f"“{row.name}” has no version {number}.")
    version: Version = row.version(number)
    return version


def show_publication(row: Any, publication: Publication) -> dict[str, Any]:
    return {
        "from_version": publication.from_version,
        "to_version": publication.to_version,
        "live_version": row.live.number if row.live else None,
        "note": publication.note,
        "actor": publication.actor_label,
        "created_at": publication.created_at,
    }

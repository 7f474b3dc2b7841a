"""What a backup says of itself: its versions, its schema, its tables, and which encryption keys its secrets need."""

from __future__ import annotations

import hashlib
from datetime import datetime

from django.conf import settings
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from pydantic import BaseModel

from magnet.errors import Conflict, NotConfigured

FORMAT = 1


class Manifest(BaseModel):
    format: int
    made_at: datetime
    versions: dict[str, str]
    # Fingerprints, newest first: the keys themselves are never in a backup.
    keys: list[str]
    migrations: list[tuple[str, str]]
    # The columns of each table, in the order of their values.
    tables: dict[str, list[str]]


def fingerprints() -> list[str]:
    """One for each encryption key; from it nobody learns the key, which is long and random."""
    return [hashlib.sha256(f"magnet backup {key}".encode()).hexdigest()[:16] for key in settings.ENCRYPTION_KEYS]


def refuse_newer(manifest: Manifest) -> None:
    """Raises Conflict when the backup was made by a release that knows more than this one."""
    known = MigrationLoader(connection).disk_migrations
    foreign = [f"{app}.{name}" for app, name in manifest.migrations if (app, name) not in known]
    if manifest.format > FORMAT or foreign:
        what = f"it has {foreign[0]}, which this one does not know" if foreign else f"its format is {manifest.format}"
        raise Conflict(f"This backup was made by a newer Magnet ({what}). Upgrade Magnet first, then restore.")


def refuse_other_keys(manifest: Manifest) -> None:
    """Raises NotConfigured when secrets in the backup could not be read with the keys of this installation."""
    if set(manifest.keys) <= set(fingerprints()):
        return
    where = "MAGNET_ENCRYPTION_KEYS"
    if not settings.IS_PRODUCTION:
        where = f"MAGNET_ENCRYPTION_KEYS (or copy the file encryption_keys of its data folder to {settings.DATA_DIR})"
    raise NotConfigured(
        "The encryption keys do not fit: keys and passwords in this backup were encrypted with others. "
        f"Set the keys of the Magnet that was backed up in {where}. "
        "Where they are lost, add --keys-are-lost, and enter the secrets of providers and sources again."
    )

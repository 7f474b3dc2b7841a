"""Whether the database can carry Magnet; where it cannot, one sentence that says what to do."""

from __future__ import annotations

import psycopg
from django.db import connection
from django.db.utils import OperationalError, ProgrammingError

from magnet.errors import NotConfigured

OLDEST_POSTGRESQL = 16
OLDEST_PGVECTOR = (0, 8)


def check_database() -> None:
    """Raises NotConfigured where no connection succeeds, PostgreSQL is too old or pgvector cannot be had."""
    try:
        connection.ensure_connection()
    except (OperationalError, psycopg.Error) as error:
        reason = " ".join(str(error).split())
        raise NotConfigured(
            f"The database does not answer: {reason}. Check DATABASE_URL, and that PostgreSQL runs."
        ) from error
    check_pgvector()
    version = connection.cursor().connection.info.server_version // 10_000
    if version < OLDEST_POSTGRESQL:
        raise NotConfigured(f"This is PostgreSQL {version}; Magnet needs {OLDEST_POSTGRESQL} or newer.")


def check_pgvector() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT default_version FROM pg_available_extensions WHERE name = 'vector'")
        if cursor.fetchone() is None:
            raise NotConfigured(
                "This PostgreSQL has no pgvector. Install it on the database server "
                "(Debian: postgresql-17-pgvector; Docker: pgvector/pgvector:pg17)."
            )
        try:
            cursor.execute("CREATE EXTENSION IF NOT EXISTS vector")
        except ProgrammingError as error:
            raise NotConfigured(
                "Magnet's database user may not create the pgvector extension. "
                "As an administrator, run in this database: CREATE EXTENSION vector;"
            ) from error
        cursor.execute("SELECT extversion FROM pg_extension WHERE extname = 'vector'")
        found = cursor.fetchone()[0]
    if tuple(int(part) for part in found.split(".")[:2]) < OLDEST_PGVECTOR:
        raise NotConfigured(f"This is pgvector {found}; Magnet needs 0.8. Run: ALTER EXTENSION vector UPDATE;")

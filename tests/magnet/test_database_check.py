"""A PostgreSQL that cannot carry Magnet is refused with a sentence that says what to do."""

from __future__ import annotations

import fcntl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from magnet.postgres import embedded_postgres
from magnet.postgres.postgres_place import Place, copy_wheel, place_of
from tests.processes import PYTHON, ROOT, data_folder, environment, eventually, free_port


@dataclass(frozen=True)
class BarePlace(Place):
    """A place whose PostgreSQL has no pgvector."""

    @property
    def installation(self) -> Path:
        return self.root / "bare" / super().installation.relative_to(super().installation.parent.parent)


@pytest.fixture(scope="module")
def bare() -> Iterator[Place]:
    """A running PostgreSQL without pgvector."""
    with data_folder() as data_dir:
        usual = place_of(data_dir)
        place = BarePlace(usual.root, usual.account)
        place.prepare(data_dir)
        copy_wheel(usual.installation.parent, place.root / "bare")
        for file in (place.installation / "share").rglob("vector*"):
            file.unlink()
        with embedded_postgres.locked(place.users_lock, fcntl.LOCK_SH):
            embedded_postgres.start_guardian(place, durable=False)
            assert eventually(lambda: embedded_postgres.answers(place), seconds=60)
            yield place


def said_at_start(address: str) -> str:
    with data_folder() as data_dir:
        done = subprocess.run(
            [PYTHON, str(ROOT / "manage.py"), "start"],
            env=environment(data_dir, DATABASE_URL=address, PORT=str(free_port())),
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr


def test_a_postgresql_without_pgvector_is_told_in_a_sentence(bare):
    assert "This PostgreSQL has no pgvector. Install it on the database server" in said_at_start(bare.url("postgres"))


def test_a_user_who_may_not_add_pgvector_is_told_whom_to_ask():
    with data_folder() as data_dir, psycopg.connect(embedded_postgres.attach(data_dir), autocommit=True) as connection:
        connection.execute("CREATE ROLE guest LOGIN")
        connection.execute("CREATE DATABASE empty TEMPLATE template0 OWNER guest")

        said = said_at_start(place_of(data_dir).url("empty").replace("postgres@", "guest@"))

        embedded_postgres.detach(data_dir)

    assert "may not create the pgvector extension" in said
    assert "CREATE EXTENSION vector;" in said

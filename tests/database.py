"""The tests' own PostgreSQL cluster, shared by everything that tests this checkout at the same time."""

import os
from pathlib import Path

import psycopg

from magnet.postgres import embedded_postgres

DATA_DIR = Path(__file__).resolve().parent.parent / ".data-test"
PREFIX = "test_magnet_"


def attach() -> str:
    """Start or join the cluster, and drop what killed runs have left in it."""
    url = embedded_postgres.attach(DATA_DIR, durable=False)
    drop_abandoned(url)
    return url


def name_for_this_run() -> str:
    """Named by process, so that two runs do not disturb each other; xdist adds a suffix for each worker."""
    return f"{PREFIX}{os.getpid()}"


def drop_abandoned(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        rows = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE %s", [f"{PREFIX}%"])
        for (name,) in rows.fetchall():
            pid = name.removeprefix(PREFIX).split("_")[0]
            if not Path(f"/proc/{pid}").exists():
                connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

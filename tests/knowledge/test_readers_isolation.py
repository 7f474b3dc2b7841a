"""A file that loops, eats memory or crashes its parser fails with a sentence; the others of its batch are read."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from knowledge.models import IndexedDocument
from knowledge.readers import READERS, isolation, read
from magnet.errors import ReaderStopped, ReaderUnavailable
from tests import factories
from tests.knowledge.hostile_readers import HOSTILE

PAGE = b"<html><body><p>The office opens at nine.</p></body></html>"

HOLDS_A_CHILD = """
import os, sys
from knowledge.readers import isolation, READERS
from tests.knowledge.hostile_readers import Loops, Tells
limits = isolation.Limits(20, 500)
print(isolation.read_isolated(Tells, b"x", filename="", limits=limits).text.split()[0], flush=True)
if sys.argv[1] == "busy":
    isolation.read_isolated(Loops, b"x", filename="", limits=limits)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def hostile(monkeypatch, settings):
    for name, kind in HOSTILE.items():
        monkeypatch.setitem(READERS, name, kind)
    settings.READER_SECONDS, settings.READER_MEMORY_MB = 1, 500
    yield
    isolation.stop()


def failure(filename: str) -> str:
    with pytest.raises(ReaderStopped) as caught:
        read(b"poison", filename=filename)
    return caught.value.detail


@pytest.mark.parametrize(
    ("filename", "why"),
    [
        ("a.loop", "“a.loop” made its reader stop: reading it took more than 1 s."),
        ("a.sleep", "“a.sleep” made its reader stop: reading it took more than 1 s."),
        ("a.eat", "“a.eat” made its reader stop: reading it needed more memory than a file may take."),
        ("a.crash", "“a.crash” made its reader stop: the reader crashed."),
        ("a.stumble", "“a.stumble” made its reader stop: the reader failed (KeyError)."),
    ],
)
def test_a_hostile_file_fails_with_its_sentence_and_the_next_is_read(filename, why):
    assert failure(filename).startswith(why)
    assert read(PAGE).text == "The office opens at nine."


def test_one_child_reads_many_files_and_sees_none_of_our_secrets(monkeypatch):
    monkeypatch.setenv("MAGNET_SECRET_KEY", "s3cret")

    first, second = (read(b"tell", filename="a.tell").text.split() for _ in range(2))

    assert first == second
    assert int(first[0]) != os.getpid() == int(first[1])
    assert "MAGNET_SECRET_KEY" not in first
    assert not any(name.startswith(("DATABASE", "MAGNET")) for name in first)


def test_a_child_that_was_killed_meanwhile_is_replaced():
    pid = int(read(b"tell", filename="a.tell").text.split()[0])
    os.kill(pid, 9)
    isolation._STATE.child.process.wait()

    assert read(PAGE).text == "The office opens at nine."


def test_no_file_pays_for_the_memory_that_earlier_ones_left_taken():
    pids = [read(b"keep", filename="a.keep").text for _ in range(8)]

    assert len(pids) == 8
    assert len(set(pids)) > 1


def test_a_forked_process_has_a_child_of_its_own():
    read(PAGE)
    pid = os.fork()
    if pid == 0:
        is_own = read(b"tell", filename="a.tell").text.split()[1] == str(os.getpid())
        isolation.stop()
        os._exit(0 if is_own else 1)

    assert os.waitpid(pid, 0)[1] == 0
    assert read(b"tell", filename="a.tell").text.split()[1] == str(os.getpid())


@pytest.mark.parametrize("state", ["idle", "busy"])
def test_the_child_dies_with_its_parent(state):
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS_A_CHILD, state], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        child = int(parent.stdout.readline())
        parent.kill()

    assert is_gone_within(child, seconds=120)


def is_gone_within(pid: int, *, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        with open(f"/proc/{pid}/stat") as file:
            if file.read().rsplit(")", 1)[1].split()[0] == "Z":
                return True
        time.sleep(0.05)
    return False


def test_where_no_process_can_start_the_file_is_not_to_blame(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")

    with pytest.raises(ReaderUnavailable, match="did not start"):
        read(PAGE)


@pytest.mark.django_db(transaction=True)
def test_the_others_of_a_batch_are_indexed(settings, tmp_path):
    settings.MEDIA_ROOT, settings.FOLDER_ROOTS = tmp_path / "files", [tmp_path]
    folder = tmp_path / "documents"
    folder.mkdir()
    for name in ("a.loop", "c.eat", "e.crash"):
        (folder / name).write_bytes(b"poison")
    for name in ("b.html", "d.html", "f.html"):
        (folder / name).write_bytes(PAGE.replace(b"nine", name.encode()))

    run = factories.sync_now(factories.folder_source(folder))

    entries = {entry.document.remote_id: entry for entry in IndexedDocument.objects.select_related("document")}
    assert run.status == "done"
    assert {name for name, entry in entries.items() if entry.state == "live"} == {"b.html", "d.html", "f.html"}
    poisoned = [entries[name] for name in ("a.loop", "c.eat", "e.crash")]
    assert {(entry.state, entry.failure_code) for entry in poisoned} == {("failed", "reader_stopped")}
    assert {entry.next_attempt_at for entry in poisoned} == {None}
    assert "more than 1 s" in entries["a.loop"].failure

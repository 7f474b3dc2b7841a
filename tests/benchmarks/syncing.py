"""What a sync costs when little has changed, at several sizes of a folder: it should grow with the changes alone.

python -m tests.benchmarks.syncing --squad FILE [--documents 1000 10000] [--changed 1] [--paragraphs 2]

Works in this process, on a database of its own in the tests' PostgreSQL. CPU seconds are those of Python alone, and
the statements those of all its threads. For the memory of a worker give one size at a time.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.benchmarks.corpus import Paragraph
from tests.benchmarks.ingest import made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--squad", type=Path, required=True)
    parser.add_argument("--documents", type=int, nargs="+", default=[1_000, 10_000])
    parser.add_argument("--changed", type=float, default=1, help="percent of the documents that change afterwards")
    parser.add_argument("--paragraphs", type=int, default=2, help="in each document")
    given = parser.parse_args()
    with own_database():
        count_statements()
        for count in given.documents:
            with tempfile.TemporaryDirectory() as folder:
                documents = made(given.squad, count, paragraphs=given.paragraphs)
                measure(Path(folder), documents, count, step=max(1, int(100 / given.changed)))


@contextmanager
def own_database() -> Iterator[None]:
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    import django

    django.setup()
    from django.test.utils import setup_databases, teardown_databases

    made = setup_databases(0, False)
    try:
        yield
    finally:
        teardown_databases(made, 0)


statements = Counter[str]()


def count_statements() -> None:
    """From now on, of every connection."""
    from django.db import connection, connections
    from django.db.backends.signals import connection_created

    def counted(execute: Callable[..., Any], *given: Any) -> Any:
        statements["all"] += 1
        return execute(*given)

    def watch(connection: Any, **_: Any) -> None:
        if counted not in connection.execute_wrappers:
            connection.execute_wrappers.append(counted)

    connection_created.connect(watch, weak=False)
    watch(connections[connection.alias])


def measure(folder: Path, documents: Iterable[Paragraph], count: int, *, step: int) -> None:
    from django.conf import settings

    from tests import factories

    settings.FOLDER_ROOTS, settings.MEDIA_ROOT = [folder], folder / "media"
    (folder / "wiki").mkdir()
    for document in documents:
        (folder / "wiki" / f"{document.number}.txt").write_text(document.text)
    source = factories.folder_source(folder / "wiki", f"folder-{count}")
    tell(f"{count:,} documents, all new", lambda: factories.sync_now(source))
    tell(f"{count:,} documents, listing alone", lambda: sum(1 for _ in source.open_connector().list({})))
    tell(f"{count:,} documents, none changed", lambda: factories.sync_now(source))
    for number in range(0, count, step):
        with (folder / "wiki" / f"{number}.txt").open("a") as file:
            file.write("\n\nAdded later.")
    tell(f"{count:,} documents, one in {step} changed", lambda: factories.sync_now(source))


def tell(name: str, work: Callable[[], Any]) -> None:
    statements.clear()
    began, cpu = time.monotonic(), time.process_time()
    done = work()
    seconds, cpu = time.monotonic() - began, time.process_time() - cpu
    embedded = getattr(done, "chunks_embedded", 0)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{name}: {seconds:.2f} s, {cpu:.2f} s of CPU, {statements['all']:,} statements, "
        f"{embedded:,} chunks embedded = {embedded / seconds:,.0f} a second, at most {peak:.0f} MB, "
        f"load {os.getloadavg()[0]:.1f}",
        flush=True,
    )


if __name__ == "__main__":
    main()

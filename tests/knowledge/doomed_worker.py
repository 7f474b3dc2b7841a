"""A worker for crash tests: loaded once, it forks a life for each line that it reads, and any of them may be killed.

Prints the process id of each life. A life carries the unfinished runs forward until nothing is left to do.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import ClassVar

DEADLY = "deadly"


def main() -> None:
    import django

    django.setup()
    database, roots, media = sys.argv[1:]
    prepare(database, Path(roots), Path(media))
    print("ready", flush=True)
    for _ in sys.stdin:
        pid = os.fork()
        if pid == 0:
            live()
            os._exit(0)
        print(pid, flush=True)
        os.waitpid(pid, 0)
        print("over", flush=True)


def prepare(database: str, roots: Path, media: Path) -> None:
    """Load what is slow, and let a document whose name says so take its worker down."""
    from django.conf import settings
    from django.db import connection

    from knowledge.connectors import CONNECTORS
    from knowledge.connectors.base import Content, RemoteDocument
    from knowledge.connectors.folder import FolderConnector
    from magnet.language import identifier
    from magnet.providers.local_embeddings import _load
    from magnet.tokens import encoding

    connection.settings_dict["NAME"] = database
    settings.FOLDER_ROOTS, settings.MEDIA_ROOT = [roots], media

    class Deadly(FolderConnector):
        label: ClassVar[str] = "Folder with a deadly document"

        def fetch(self, document: RemoteDocument) -> Content:
            if DEADLY in document.remote_id:
                os.kill(os.getpid(), signal.SIGKILL)
            return super().fetch(document)

    CONNECTORS["folder"] = Deadly
    for load in (identifier, encoding, _load):
        load()


def live() -> None:
    from knowledge import sync
    from knowledge.models import SyncRun

    # Not "while any is unfinished": a run that waits for somebody would keep this life going for ever.
    for run in SyncRun.objects.unfinished():
        sync.run_to_end(run)


if __name__ == "__main__":
    main()

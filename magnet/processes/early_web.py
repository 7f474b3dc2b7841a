"""The web of `manage.py start`, which loads beside the command itself: the first answer waits for one loading, not two.

begin()            before Django loads: the port is taken, and a web is started that waits for a word
begun().ready()    the word: the database is there, migrated and seeded
"""

from __future__ import annotations

import atexit
import os
from dataclasses import dataclass

from magnet.processes.supervisor import Keeper


@dataclass(frozen=True)
class EarlyWeb:
    keeper: Keeper
    _database_is_ready: int

    def ready(self) -> None:
        os.write(self._database_is_ready, b"!")

    def end(self) -> None:
        """For a start that fails; a web that was answering has been stopped in good order by then."""
        if self.keeper.process and self.keeper.process.poll() is None:
            self.keeper.process.terminate()


_begun: EarlyWeb | None = None


def begin() -> EarlyWeb:
    """Take the port and start the web. Raises CommandError where the port is taken."""
    global _begun
    from magnet import settings
    from magnet.processes import web_program

    listener = web_program.listen(settings.HOST, port=settings.PORT)
    reading, writing = os.pipe()
    _begun = EarlyWeb(Keeper(web_program.program(listener, ready=reading)), writing)
    # The program holds no more than the number of the socket, which must stay open while it is started again.
    listener.detach()
    _begun.keeper.look()
    # The pipe tells the web as well, with words on the terminal that nobody needs beside the reason of the failure.
    atexit.register(_begun.end)
    return _begun


def begun() -> EarlyWeb:
    return _begun or begin()

"""How workers share the tests: each file goes to one worker, and all files that need the browser go to the same one."""

from __future__ import annotations

from typing import Any

from xdist.scheduler import LoadFileScheduling

BROWSER = "tests/browser/"


class Sharing(LoadFileScheduling):
    """The browser tests share one started Magnet, and they begin first, because they are the longest piece of work."""

    def _split_scope(self, nodeid: str) -> str:
        return BROWSER if nodeid.startswith(BROWSER) else super()._split_scope(nodeid)

    def _assign_work_unit(self, node: Any) -> None:
        if BROWSER in self.workqueue:
            self.workqueue.move_to_end(BROWSER, last=False)
        super()._assign_work_unit(node)

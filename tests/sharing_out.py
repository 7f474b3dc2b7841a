"""How workers share the tests: each file goes to one worker, and all files that need the browser go to the same one."""

from __future__ import annotations

from typing import Any

from xdist.scheduler import LoadFileScheduling

BROWSER = "tests/browser/"
# Longest first: what begins last should be short, or one worker ends long after the others.
LONG = (
    BROWSER,
    "tests/knowledge/test_sync_kills.py",
    "tests/magnet/test_start.py",
    "tests/magnet/test_backup.py",
    "tests/test_api_schema.py",
    "tests/knowledge/test_recovery.py",
    "tests/conversations/test_processes.py",
    "tests/magnet/test_embedded_postgres.py",
    "tests/magnet/test_database_check.py",
    "tests/knowledge/test_two_clusters.py",
    "tests/test_access.py",
    "tests/knowledge/test_retrieval_plans.py",
)


class Sharing(LoadFileScheduling):
    """The browser tests share one started Magnet, and long files begin before short ones."""

    def _split_scope(self, nodeid: str) -> str:
        return BROWSER if nodeid.startswith(BROWSER) else super()._split_scope(nodeid)

    def _assign_work_unit(self, node: Any) -> None:
        longest = next((name for name in LONG if name in self.workqueue), None)
        if longest is not None:
            self.workqueue.move_to_end(longest, last=False)
        super()._assign_work_unit(node)

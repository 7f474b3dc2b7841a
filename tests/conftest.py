"""What all tests share: each `fixtures_*.py` beside this file brings its fixtures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from structlog.contextvars import clear_contextvars

from magnet.callers import SYSTEM, bind_caller
from tests import quick_flush

pytest_plugins = [f"tests.{file.stem}" for file in sorted(Path(__file__).parent.glob("fixtures_*.py"))]

# They wait for real processes and browsers, on machines that others make busy: a second failure is a failure.
RUN_AGAIN_ONCE = ("crash", "browser")


quick_flush.install()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if any(item.get_closest_marker(name) for name in RUN_AGAIN_ONCE):
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Called only where tests are shared out."""
    from tests.sharing_out import Sharing

    return Sharing(config, log)


@pytest.fixture(autouse=True)
def nobody_called_before() -> None:
    """Each test begins as the product itself: a page that an earlier one asked for may have bound its person here,
    and the number of its request.
    """
    bind_caller(SYSTEM)
    clear_contextvars()

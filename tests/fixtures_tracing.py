"""Keeps the traces of one test out of the next."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from magnet.trace_writer import writer


@pytest.fixture(autouse=True)
def traces_stay_in_their_test(request: pytest.FixtureRequest) -> Iterator[None]:
    """What still waits when a test ends is forgotten, before its database is emptied."""
    if request.node.get_closest_marker("django_db"):
        request.getfixturevalue("_django_db_helper")
    yield
    writer.discard()

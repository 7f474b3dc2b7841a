"""What a first start leaves behind, for tests that are about later ones."""

from __future__ import annotations

import os

import pytest

from tests.started import FirstStart


@pytest.fixture(scope="session")
def first_start(tmp_path_factory: pytest.TempPathFactory) -> FirstStart:
    folder = tmp_path_factory.getbasetemp()
    made = FirstStart((folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "first-start")
    made.make_once()
    return made

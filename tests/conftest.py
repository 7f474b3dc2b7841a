"""What all tests share: each `fixtures_*.py` beside this file brings its fixtures."""

import shutil
from pathlib import Path

import pytest

pytest_plugins = [f"tests.{file.stem}" for file in sorted(Path(__file__).parent.glob("fixtures_*.py"))]


def pytest_unconfigure(config: pytest.Config) -> None:
    from django.conf import settings

    if settings.configured and settings.DATA_DIR.name.startswith("magnet-tests-"):
        shutil.rmtree(settings.DATA_DIR, ignore_errors=True)

"""What the contract tests of connectors share: the loopback may be reached."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def loopback(settings):
    settings.ALLOWED_PRIVATE_HOSTS = ["127.0.0.1"]

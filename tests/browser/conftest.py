"""A whole Magnet as people start it (web, workers, database of its own), and a browser that is signed in to it.

All modules of this folder share both, and run one after another: each gives what it makes names of its own.
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.browser import pictures
from tests.processes import PYTHON, ROOT, data_folder, environment, eventually, free_port

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
# No sandbox, because tests may run as root; the rest keeps the browser from calling its maker.
OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass(frozen=True)
class Running:
    """A started Magnet: its address, and its administrator's password."""

    url: str
    password: str


# Of the package and not of the session: while the browser is open, an event loop runs in this thread, where other
# tests use the database.
@pytest.fixture(scope="package")
def magnet() -> Iterator[Running]:
    with data_folder() as folder:
        port = pictures.PORT or free_port()
        folder.mkdir(parents=True, exist_ok=True)
        log = folder.parent / "start.log"
        process = subprocess.Popen(
            [PYTHON, "manage.py", "start"],
            cwd=ROOT,
            env=environment(
                folder, PORT=str(port), MAGNET_LOG_LEVEL="WARNING", MAGNET_ALLOWED_PRIVATE_HOSTS="127.0.0.1"
            ),
            stdout=log.open("w"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            is_ready = eventually(
                lambda: "Stop with Ctrl-C" in log.read_text() or process.poll() is not None, seconds=120
            )
            assert is_ready, log.read_text()
            found = re.search(r"Password\s+(\S+)", log.read_text())
            assert found, log.read_text()
            yield Running(f"http://localhost:{port}", found[1])
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)


@pytest.fixture(scope="package")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="Install playwright to run the browser tests.")
    if not Path(CHROMIUM).exists():
        pytest.skip("Install chromium to run the browser tests: apt-get install chromium fonts-noto-core")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def signed_in(browser, magnet):
    """What a browser keeps of the administrator's sign-in."""
    context = browser.new_context(base_url=magnet.url, viewport=pictures.VIEWPORT)
    context.set_default_timeout(60_000)
    page = context.new_page()
    page.goto("/admin/")
    pictures.picture(page, "sign-in")
    page.get_by_label("E-mail address").fill("admin@example.com")
    page.get_by_label("Password").fill(magnet.password)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Hello, Administrator").wait_for()
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def page(browser, magnet, signed_in):
    """A window of the signed-in administrator; anything asked of another host, and any script error, fails the test."""
    context = browser.new_context(viewport=pictures.VIEWPORT, base_url=magnet.url, storage_state=signed_in)
    # Only a failing test waits so long.
    context.set_default_timeout(60_000)
    page = context.new_page()
    strange: list[str] = []
    page.on("request", lambda request: None if is_own(request.url, magnet) else strange.append(request.url))
    page.on("pageerror", lambda error: strange.append(str(error)))
    page.goto("/admin/")
    yield page
    context.close()
    assert strange == []


def is_own(url: str, magnet: Running) -> bool:
    return url.startswith((magnet.url, "data:", "blob:"))

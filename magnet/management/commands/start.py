"""`manage.py start`: the whole of Magnet with one command, which is what `make run` calls."""

from __future__ import annotations

import shlex
import sys
import threading
import time
from argparse import ArgumentParser
from dataclasses import replace
from typing import Any

import structlog
from django.conf import settings
from django.core.checks import Tags
from django.core.checks.registry import registry
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from magnet.errors import MagnetError, NotConfigured
from magnet.management.commands import work
from magnet.postgres import embedded_postgres
from magnet.postgres.database_check import check_database
from magnet.processes import early_web, first_start
from magnet.processes.is_live import is_live
from magnet.processes.supervisor import Supervisor

log = structlog.get_logger(__name__)

QUESTION = "How do I add a knowledge source?"
MEND_EVERY_SECONDS = 2.0
# Workers that load at the same time would make the first answer wait for them.
WEB_FIRST_SECONDS = 2.0


class Command(BaseCommand):
    help = "Start everything: database, migrations, demo, web and workers."
    # Made below, once the web is on its way.
    requires_system_checks: tuple[str, ...] = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--parent", type=int, help="stop when this process is gone")

    def handle(self, *args: Any, parent: int | None, **options: Any) -> None:
        # First the port: whoever finds it taken has changed nothing.
        web = early_web.begun()
        # Addresses are left to the web, which is loading them just now; here that would take longer than all the rest.
        self.check(tags=[tag for tag in registry.tags_available() if tag != Tags.urls])
        workers = [replace(program, held_seconds=WEB_FIRST_SECONDS) for program in work.programs()]
        supervisor = Supervisor(workers, running=[web.keeper], look_after=Mender().look, parent=parent)
        try:
            check_database()
            call_command("migrate", verbosity=0, interactive=False)
            first_start.set_up()
        except MagnetError as error:
            raise CommandError(str(error)) from error
        connections.close_all()
        web.ready()
        threading.Thread(target=self.greet_when_ready, daemon=True).start()
        if supervisor.run():
            raise CommandError("A part of Magnet ended again and again; the lines above say which, and why.")
        self.stdout.write("Magnet has stopped.")

    def greet_when_ready(self) -> None:
        while not is_live():
            time.sleep(0.1)
        self.stdout.write(greeting(first_start.welcome()))
        self.stdout.flush()
        connections.close_all()


class Mender:
    """Starts the embedded database again should its guardian have been killed."""

    def __init__(self) -> None:
        self.next_look = 0.0

    def look(self) -> None:
        if not settings.IS_EMBEDDED or time.monotonic() < self.next_look:
            return
        self.next_look = time.monotonic() + MEND_EVERY_SECONDS
        try:
            embedded_postgres.attach(settings.DATA_DIR)
        except NotConfigured as error:
            log.warning("database_not_mended", reason=str(error))


def greeting(welcome: first_start.Welcome) -> str:
    url = settings.PUBLIC_URL
    key = welcome.api_key or "YOUR_KEY"
    password = f"{welcome.password}   (kept in {first_start.password_file()}; change it in the admin)"
    key_line = f"{welcome.api_key}   (kept in {first_start.api_key_file()})"
    # The other terminal does not know where this one keeps its data.
    is_elsewhere = settings.DATA_DIR != settings.BASE_DIR / ".data"
    where = f"MAGNET_DATA_DIR={shlex.quote(str(settings.DATA_DIR))} " if is_elsewhere else ""
    own_password = f"the one of this account (a new one: python manage.py changepassword {welcome.email})"
    own_key = "the ones you made (another: python manage.py create_api_key NAME --scopes all)"
    return f"""
Magnet is ready.

  Open      {url}/admin/
  Sign in   {welcome.email}
  Password  {password if welcome.password else own_password}
  API key   {key_line if welcome.api_key else own_key}

Three things to try
  1. In the admin, open the RAG tool `handbook` and ask under "Try it": {QUESTION}
  2. Over the API:
     curl {url}/api/rag-tools/handbook/answer -H "Authorization: Bearer {key}" \\
          -H "Content-Type: application/json" -d '{{"question": "{QUESTION}"}}'
  3. In another terminal:
     {where}{sys.executable} {settings.BASE_DIR / "manage.py"} ask handbook "{QUESTION}"

Stop with Ctrl-C.
"""

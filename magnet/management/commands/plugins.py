"""`manage.py plugins`: what is installed, what each adds, and why one was refused; exit status 1 if one was."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from magnet import plugins
from magnet.plugins import Installed


class Command(BaseCommand):
    help = "List the plug-ins with what they add, or why they are not used."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print JSON, for programs")

    def handle(self, *args: Any, **options: Any) -> None:
        found = plugins.installed()
        if options["json"]:
            self.stdout.write(json.dumps([as_data(plugin) for plugin in found], indent=2))
        else:
            self.tell(found)
        if any(plugin.status is plugins.Status.REFUSED for plugin in found):
            sys.exit(1)

    def tell(self, found: tuple[Installed, ...]) -> None:
        if not found:
            self.stdout.write("No plug-in is installed. docs/plugins.md says how to write one.")
        for plugin in found:
            self.stdout.write(f"{plugin.name} {plugin.version}: {plugin.status.value} ({plugin.origin})")
            for point, kind in plugin.kinds:
                self.stdout.write(f"  adds {point}: {kind}")
            if plugin.reason:
                self.stdout.write(f"  {plugin.reason}")


def as_data(plugin: Installed) -> dict[str, Any]:
    return {
        "name": plugin.name,
        "version": plugin.version,
        "status": plugin.status.value,
        "origin": plugin.origin,
        "reason": plugin.reason,
        "kinds": [{"extension_point": point, "kind": kind} for point, kind in plugin.kinds],
    }

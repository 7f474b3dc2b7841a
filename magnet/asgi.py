"""The web process: Django, behind the entrance, with a beginning and an end."""

from __future__ import annotations

import os

import django

from magnet.processes import start_up

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "magnet.settings")
# Before the settings are read: only a web process has a connection pool, because a worker's fork would share it.
start_up.prepare(["asgi", "web"])
django.setup(set_prefix=False)

from magnet.web.direct_path import DirectPath  # noqa: E402
from magnet.web.entrance import Entrance  # noqa: E402
from magnet.web.lifespan import Lifespan  # noqa: E402

application = Lifespan(Entrance(DirectPath()))

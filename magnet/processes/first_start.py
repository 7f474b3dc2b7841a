"""What a new installation needs to be used at once: the demo, one administrator, one API key."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.core.management import call_command, get_commands
from django.db import transaction

from magnet import groups
from magnet.models import ApiKey, User

KEY_NAME = "First key"


@dataclass(frozen=True)
class Welcome:
    """What the person who started Magnet is told; empty where it is no longer what it was."""

    email: str
    password: str
    api_key: str


def password_file() -> Path:
    return settings.DATA_DIR / "admin_password.txt"


def api_key_file() -> Path:
    return settings.DATA_DIR / "api_key.txt"


def set_up() -> None:
    """Seed once: an installation in which somebody can sign in gets only what it lacks, such as a new key's models."""
    groups.seed()
    if "demo" in get_commands():
        # Every time: it makes missing providers and remembers by itself that the handbook was seeded.
        call_command("demo", verbosity=0)
    if User.objects.exists():
        return
    # The person comes last, so that a first start that was interrupted is begun again.
    with transaction.atomic():
        password = secrets.token_urlsafe(12)
        admin = User.objects.create_superuser(settings.ADMIN_EMAIL, password, name="Administrator")
        _, key = ApiKey.objects.issue(name=KEY_NAME, scopes=["all"], owner=admin)
        keep(password_file(), password)
        keep(api_key_file(), key)


def keep(path: Path, secret: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(secret + "\n")


def welcome() -> Welcome:
    """What was set up at the first start, as far as it is still valid."""
    admin = User.objects.filter(is_superuser=True, is_active=True).order_by("pk").first()
    password, key = kept(password_file()), kept(api_key_file())
    row = ApiKey.objects.find(key) if key else None
    return Welcome(
        email=admin.email if admin else "",
        password=password if admin and password and admin.check_password(password) else "",
        api_key=key if row and row.is_usable else "",
    )


def kept(path: Path) -> str:
    return path.read_text().strip() if path.exists() else ""

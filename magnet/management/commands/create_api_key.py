"""`manage.py create_api_key NAME --scopes all`: prints a new key, alone on standard output, once."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from magnet.models import ApiKey, AuditEntry, User
from magnet.scopes import SCOPES, unknown_scopes

MAX_NAME_CHARACTERS = 200


class Command(BaseCommand):
    help = "Make an API key. It is printed once, alone, on standard output; the rest goes to standard error."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="what the key is for, such as the system that will use it")
        parser.add_argument("--scopes", required=True, help="all, or a list such as rag-tools:run,traces:read")
        parser.add_argument("--expires-days", type=int, metavar="N", help="without it, the key does not expire")
        parser.add_argument("--owner", metavar="EMAIL", help="a person; the key never may more than they may")

    def handle(
        self, *args: Any, name: str, scopes: str, expires_days: int | None, owner: str | None, **options: Any
    ) -> None:
        with transaction.atomic():
            row, key = ApiKey.objects.issue(
                name=named(name), scopes=listed(scopes), owner=person(owner), expires_at=moment(expires_days)
            )
            AuditEntry.record("made", row, scopes=row.scopes)
        until = f" until {row.expires_at:%Y-%m-%d %H:%M} UTC" if row.expires_at else ""
        self.stderr.write(f"The key “{row.name}” may do {', '.join(row.scopes)}{until}. It is shown only now:")
        self.stdout.write(key)


def named(name: str) -> str:
    name = name.strip()
    if not name or len(name) > MAX_NAME_CHARACTERS:
        raise CommandError(f"Give the key a name of 1 to {MAX_NAME_CHARACTERS} characters.")
    return name


def listed(scopes: str) -> list[str]:
    chosen = sorted({scope.strip() for scope in scopes.split(",") if scope.strip()})
    if unknown := unknown_scopes(chosen):
        raise CommandError(f"Unknown scopes: {', '.join(unknown)}. The known ones are: {', '.join(SCOPES)}.")
    if not chosen:
        raise CommandError(f"Name at least one scope, or `all`. The known ones are: {', '.join(SCOPES)}.")
    return chosen


def person(email: str | None) -> User | None:
    if email is None:
        return None
    user = User.objects.filter(email__iexact=email, is_active=True).first()
    if user is None:
        raise CommandError(f"Nobody active has the e-mail address {email}. Invite them in the admin under People.")
    return user


def moment(days: int | None) -> datetime | None:
    if days is None:
        return None
    if not 1 <= days <= 36_500:
        raise CommandError("A key expires after 1 to 36500 days.")
    return timezone.now() + timedelta(days=days)

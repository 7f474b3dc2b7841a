"""People who are signed in to the admin, in this process."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from magnet import groups
from magnet.models import User

SignIn = Callable[..., Client]
HOSTILE = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>"


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def owner(db) -> Client:
    """A browser of somebody who may do everything."""
    return signed_in(User.objects.create_superuser("olga@example.com", "a password of hers", name="Olga"))


@pytest.fixture
def member(db) -> SignIn:
    """Sign somebody in who belongs to a standard group: member("Viewer")."""
    groups.seed()

    def sign_in(group: str) -> Client:
        user = User.objects.create_user(f"{group.lower()}@example.com", "a password of theirs", name=group)
        user.groups.set(Group.objects.filter(name=group))
        return signed_in(user)

    return sign_in

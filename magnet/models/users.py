"""People. The e-mail address is the login."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class UserManager(BaseUserManager["User"]):
    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email__iexact=username)

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        user = self.model(email=self.normalize_email(email).strip(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        return self.create_user(email, password, **{**fields, "is_staff": True, "is_superuser": True})


class User(AbstractBaseUser, PermissionsMixin):
    email = models.EmailField(_("e-mail address"))
    name = models.CharField(_("name"), max_length=200, blank=True)
    is_staff = models.BooleanField(_("may use the admin"), default=True)
    is_active = models.BooleanField(
        _("active"),
        default=True,
        help_text=_("Untick instead of deleting, so that the audit keeps the name."),
    )
    gets_alerts = models.BooleanField(
        _("gets alerts by e-mail"),
        default=False,
        help_text=_("When a sync fails, is overdue or waits for approval. Needs a mail server."),
    )
    document_groups = ArrayField(
        models.CharField(max_length=200),
        default=list,
        blank=True,
        verbose_name=_("groups of documents"),
        help_text=_("Groups of the sources whose documents this person may find; with commas between them."),
    )
    # The address that was proved to be theirs. A new one is proved anew, so nobody reads what is shared with somebody
    # else by taking their address.
    verified_email = models.EmailField(blank=True, editable=False)
    date_joined = models.DateTimeField(_("joined"), default=timezone.now)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        verbose_name = _("person")
        verbose_name_plural = _("people")
        ordering = ["email"]
        constraints = [
            models.UniqueConstraint(
                Lower("email"),
                name="email_is_unique_whatever_its_case",
                violation_error_message=_("Somebody with this e-mail address exists already."),
            )
        ]

    def __str__(self) -> str:
        return self.name or self.email

    @property
    def has_verified_email(self) -> bool:
        return bool(self.email) and self.verified_email.casefold() == self.email.casefold()

    def note_email(self, *, is_verified: bool) -> None:
        """Keep whether the present address is proved to be theirs: it then counts as a group of documents."""
        self.verified_email = self.email if is_verified else ""
        self.save(update_fields=["verified_email"])

    def get_full_name(self) -> str:
        return self.name or self.email

    def get_short_name(self) -> str:
        return self.name.split(" ")[0] if self.name else self.email

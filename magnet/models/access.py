"""Who may call: API keys, and the record of who changed what."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MinValueValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from magnet.callers import current_caller, normalized_groups
from magnet.ids import uuid7

PREFIX_LENGTH = 12


def hash_secret(key: str) -> str:
    """SHA-256 is right for 256 random bits; a password hasher would cost more than the answer."""
    return hashlib.sha256(key.encode()).hexdigest()


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def issue(
        self,
        *,
        name: str,
        scopes: Sequence[str],
        owner: Any = None,
        expires_at: datetime | None = None,
        requests_per_minute: int | None = None,
        document_groups: Sequence[str] = (),
    ) -> tuple[ApiKey, str]:
        """Make a key; returns the row and the key in clear, which cannot be had again."""
        prefix = f"mgt_{secrets.token_hex(4)}"
        key = f"{prefix}_{secrets.token_urlsafe(32)}"
        row = self.create(
            name=name,
            prefix=prefix,
            secret_hash=hash_secret(key),
            scopes=list(scopes),
            owner=owner,
            expires_at=expires_at,
            requests_per_minute=requests_per_minute,
            document_groups=list(normalized_groups(document_groups)),
        )
        return row, key

    def find(self, key: str) -> ApiKey | None:
        return self.select_related("owner").filter(secret_hash=hash_secret(key)).first()


class ApiKey(models.Model):
    name = models.CharField(_("name"), max_length=200)
    prefix = models.CharField(_("begins with"), max_length=PREFIX_LENGTH, unique=True, editable=False)
    secret_hash = models.CharField(max_length=64, unique=True, editable=False)
    scopes = ArrayField(models.CharField(max_length=100), verbose_name=_("scopes"))
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="api_keys",
        verbose_name=_("owner"),
    )
    requests_per_minute = models.PositiveIntegerField(
        _("requests a minute"), null=True, blank=True, validators=[MinValueValidator(1)]
    )
    document_groups = ArrayField(
        models.CharField(max_length=200),
        default=list,
        blank=True,
        verbose_name=_("groups of documents"),
        help_text=_("Groups of the sources whose documents this key may find beside those for everybody; with commas."),
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True, editable=False)

    objects: ClassVar[Any] = ApiKeyQuerySet.as_manager()

    class Meta:
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.name

    @property
    def is_usable(self) -> bool:
        is_expired = self.expires_at is not None and self.expires_at <= timezone.now()
        return self.revoked_at is None and not is_expired

    def revoke(self) -> None:
        if self.revoked_at is None:
            self.revoked_at = timezone.now()
            self.save(update_fields=["revoked_at"])


class AuditEntry(models.Model):
    """Who did what to which object; written by the verb in its own transaction, never changed."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    created_at = models.DateTimeField(_("when"), default=timezone.now, db_index=True)
    # Type and id instead of foreign keys: the entry outlives what it speaks of.
    actor_type = models.CharField(_("kind of actor"), max_length=20)
    actor_id = models.CharField(max_length=50, blank=True)
    actor_label = models.CharField(_("who"), max_length=300)
    verb = models.CharField(_("did"), max_length=50)
    object_type = models.CharField(_("to what kind"), max_length=100)
    object_id = models.CharField(max_length=100)
    object_label = models.CharField(_("to what"), max_length=300)
    changes = models.JSONField(_("changes"), default=dict)
    request_id = models.CharField(_("request"), max_length=100, blank=True)

    class Meta:
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit entries")
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["object_type", "object_id"], name="audit_by_object")]

    def __str__(self) -> str:
        return f"{self.actor_label} {self.verb} {self.object_label}"

    @classmethod
    def record(cls, verb: str, target: models.Model, **changes: Any) -> AuditEntry:
        """Write that the current caller did `verb` to `target`; `changes` is JSON and holds no secrets.

        A target whose name must not outlive it says under which `audit_label` it is remembered.
        """
        caller = current_caller()
        return cls._default_manager.create(
            actor_type=caller.kind,
            actor_id=caller.id,
            actor_label=caller.label,
            verb=verb,
            object_type=target._meta.label_lower,
            object_id=str(target.pk),
            object_label=str(getattr(target, "audit_label", target))[:300],
            changes=changes,
            request_id=caller.request_id,
        )

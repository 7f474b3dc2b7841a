"""MCP servers and the tools that they offer: what a server says of a tool counts once a person has approved it."""

from __future__ import annotations

import hashlib
import json
from typing import Any, ClassVar, Self

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from magnet.errors import MagnetError
from magnet.models.base import slug_is_kebab_case
from tools_app.api_auth import AUTHS
from tools_app.mcp_transports import TRANSPORTS, Transport, transport_kind
from tools_app.mcp_transports.stdio import refuse_unless_allowed
from tools_app.models.remote_servers import RemoteServer, prove_address, prove_headers, prove_shape

# A session is shared by all conversations, so that none of them can sign it.
SIGN_INS = tuple(kind for kind in AUTHS if kind != "conversation")


def transport_kinds() -> list[tuple[str, str]]:
    return [(kind, transport.label) for kind, transport in TRANSPORTS.items()]


class McpServer(RemoteServer):
    """Somebody's MCP server, at an address or as a command on this machine."""

    address_column = "url"

    transport = models.CharField(_("reached by"), max_length=50, choices=transport_kinds, default="streamable_http")
    url = models.CharField(_("address"), max_length=500, blank=True)
    config = models.JSONField(_("settings of the command"), default=dict, blank=True)
    # What it calls itself, and what was to be said of its list, when it was read last.
    said_name = models.CharField(_("calls itself"), max_length=200, blank=True, editable=False)
    refresh_note = models.TextField(blank=True, editable=False)
    refreshed_at = models.DateTimeField(_("tools read"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("MCP server")
        verbose_name_plural = _("MCP servers")
        ordering = ["name"]

    def clean(self) -> None:
        self.url = self.url.strip()
        if self.transport not in TRANSPORTS:
            raise ValidationError({"transport": _("Use one of %s.") % ", ".join(TRANSPORTS)})
        prove_shape(self.transport_class.Config, self.config, field="config")
        prove_headers(self.headers)
        if self.transport_class.has_address:
            self._prove_address()
        else:
            self._prove_command()

    def _prove_address(self) -> None:
        if not self.url:
            raise ValidationError({"url": _("Enter the address of the server, such as https://example.com/mcp.")})
        prove_address(self.url, field="url")
        if "#" in self.url:
            raise ValidationError({"url": _("Leave out what follows a hash.")})
        if self.auth_kind not in SIGN_INS:
            raise ValidationError({"auth_kind": _("Use one of %s.") % ", ".join(SIGN_INS)})
        prove_shape(self.auth_class.Config, self.auth_config, field="auth_config")

    def _prove_command(self) -> None:
        if self.url or self.auth_kind != "none" or self.auth_config or self.headers:
            said = _("A command has no address, headers or sign-in: its secret is a variable of its environment.")
            raise ValidationError({"transport": said})
        try:
            refuse_unless_allowed(str(self.config["command"]), self.config.get("arguments", []))
        except MagnetError as error:
            raise ValidationError({"config": error.detail}) from error

    @property
    def transport_class(self) -> type[Transport]:
        return transport_kind(self.transport)

    @property
    def place(self) -> str:
        """Where it is, in a sentence or a list: without a query, which may hold a key."""
        return self.url.partition("?")[0] or str(self.config.get("command", ""))

    def leads_elsewhere(self, changes: dict[str, Any]) -> bool:
        """As for every server; a secret of a command is for that very command."""
        transport = changes.get("transport", self.transport)
        if transport != self.transport or changes.get("config", self.config) != self.config:
            return True
        return self.transport_class.has_address and super().leads_elsewhere(changes)

    def note_refresh(self, *, said_name: str, note: str) -> None:
        self.said_name, self.refresh_note, self.refreshed_at = said_name[:200], note, timezone.now()
        self.save(update_fields=["said_name", "refresh_note", "refreshed_at", "updated_at"])


class McpToolQuerySet(models.QuerySet["McpTool"]):
    def for_use(self) -> Self:
        """Those that may be called, with all that a call needs."""
        found = self.approved().filter(is_enabled=True, gone_at=None, server__is_active=True)
        return found.select_related("server")

    def approved(self) -> Self:
        """Whose words are those that a person has read."""
        return self.filter(approved_fingerprint=F("fingerprint"))

    def waiting(self) -> Self:
        """New ones, and those that changed since."""
        return self.filter(gone_at=None).exclude(approved_fingerprint=F("fingerprint"))


class McpTool(models.Model):
    """A tool as its server describes it. Its words come from outside: a model reads them once they are approved."""

    # What a server says of a tool.
    SAID: ClassVar[tuple[str, ...]] = ("title", "description", "arguments", "annotations")

    server = models.ForeignKey(McpServer, on_delete=models.CASCADE, related_name="tools", verbose_name=_("server"))
    name = models.CharField(_("name"), max_length=200)
    slug = models.CharField(_("slug"), max_length=100, validators=[slug_is_kebab_case])
    title = models.CharField(_("title"), max_length=200, blank=True)
    description = models.TextField(_("description"), blank=True)
    arguments = models.JSONField(_("arguments"), default=dict, blank=True)
    # Hints of the server, which nothing relies on.
    annotations = models.JSONField(_("hints"), default=dict, blank=True)
    fingerprint = models.CharField(max_length=64)
    approved = models.JSONField(_("approved words"), default=dict, blank=True)
    approved_fingerprint = models.CharField(max_length=64, blank=True)
    approved_at = models.DateTimeField(_("approved"), null=True, blank=True)
    approved_by = models.CharField(_("approved by"), max_length=300, blank=True)
    is_enabled = models.BooleanField(_("enabled"), default=True)
    is_read_only = models.BooleanField(
        _("changes nothing"),
        default=False,
        help_text=_(
            "Tick it when you know it: agents may then call it without asking. The server's own hint is a hint."
        ),
    )
    first_seen_at = models.DateTimeField(_("first seen"), default=timezone.now)
    changed_at = models.DateTimeField(_("changed"), default=timezone.now)
    gone_at = models.DateTimeField(_("gone since"), null=True, blank=True)

    objects: ClassVar[Any] = McpToolQuerySet.as_manager()

    class Meta:
        verbose_name = _("MCP tool")
        verbose_name_plural = _("MCP tools")
        ordering = ["server__name", "name"]
        permissions = [("run_mcptool", _("Can call tools of MCP servers"))]
        constraints = [
            models.UniqueConstraint(fields=["server", "name"], name="mcp_tool_is_unique_in_its_server"),
            models.UniqueConstraint(fields=["server", "slug"], name="mcp_tool_slug_is_unique_in_its_server"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def full_slug(self) -> str:
        """Its public name, as agents and callers write it."""
        return f"{self.server.slug}/{self.slug}"

    @property
    def is_approved(self) -> bool:
        return bool(self.fingerprint) and self.approved_fingerprint == self.fingerprint

    @property
    def hints_read_only(self) -> bool:
        return self.annotations.get("readOnlyHint") is True

    def said(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.SAID}

    def approve(self, *, by: str) -> None:
        """What the server says now is what models may read."""
        self.approved, self.approved_fingerprint = self.said(), self.fingerprint
        self.approved_at, self.approved_by = timezone.now(), by[:300]
        self.save(update_fields=["approved", "approved_fingerprint", "approved_at", "approved_by"])

    @staticmethod
    def fingerprint_of(said: dict[str, Any]) -> str:
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()

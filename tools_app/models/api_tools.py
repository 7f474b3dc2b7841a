"""API tools: servers of others with their sign-in, and calls to them, made by hand or from an OpenAPI document."""

from __future__ import annotations

import json
import re
import zlib
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from magnet.errors import MagnetError
from magnet.json_schema import check_schema
from magnet.models.base import Named, Tagged
from tools_app.api_auth import AUTHS
from tools_app.api_auth.base import is_framing
from tools_app.models.remote_servers import (  # noqa: F401 - a migration names `auth_kinds` here
    RemoteServer,
    auth_kinds,
    prove_address,
    prove_headers,
    prove_shape,
)

PLACES = ("path", "query", "header", "cookie", "field", "body")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
# Those that change nothing (RFC 9110, 9.2.1), so that they may be repeated.
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


def method_choices() -> list[tuple[str, str]]:
    return [(method, method) for method in METHODS]


class ApiServer(RemoteServer):
    """Somebody's API at one address."""

    address_column = "base_url"

    base_url = models.CharField(
        _("base URL"),
        max_length=500,
        blank=True,
        help_text=_("What all paths begin with. Empty: the one that an imported document names."),
    )
    # Where its document was fetched, so that it can be fetched again.
    document_url = models.CharField(_("address of its OpenAPI document"), max_length=500, blank=True)
    imported_at = models.DateTimeField(_("imported"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("API server")
        verbose_name_plural = _("API servers")
        ordering = ["name"]

    def clean(self) -> None:
        self.base_url = self.base_url.strip().rstrip("/")
        for column in ("base_url", "document_url"):
            prove_address(getattr(self, column), field=column)
        if "?" in self.base_url or "#" in self.base_url:
            raise ValidationError({"base_url": _("Leave out what follows a question mark or a hash.")})
        if self.has_secrets and not self.base_url:
            raise ValidationError({"base_url": _("Enter the base URL together with the secrets, which belong to it.")})
        if self.auth_kind not in AUTHS:
            raise ValidationError({"auth_kind": _("Use one of %s.") % ", ".join(AUTHS)})
        prove_shape(self.auth_class.Config, self.auth_config, field="auth_config")
        prove_headers(self.headers)

    def note_import(self, *, url: str, base_url: str) -> None:
        """`base_url` is what the document names; what staff have entered stays."""
        self.imported_at, self.document_url = timezone.now(), url or self.document_url
        self.base_url = self.base_url or base_url[:500]
        self.save(update_fields=["imported_at", "document_url", "base_url", "updated_at"])


class ApiDocument(models.Model):
    """The OpenAPI document of a server as it was read last: what an import chooses from."""

    server = models.OneToOneField(ApiServer, on_delete=models.CASCADE, related_name="document")
    url = models.CharField(max_length=500, blank=True)
    packed = models.BinaryField()
    # The operations that a person has chosen and not imported yet; None before they choose.
    chosen = models.JSONField(null=True, blank=True)
    read_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("OpenAPI document")
        verbose_name_plural = _("OpenAPI documents")

    def __str__(self) -> str:
        return self.url or str(self.server)

    @property
    def content(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(zlib.decompress(bytes(self.packed)))
        return content

    @staticmethod
    def pack(content: dict[str, Any]) -> bytes:
        return zlib.compress(json.dumps(content, separators=(",", ":")).encode(), level=3)


class ApiToolQuerySet(models.QuerySet["ApiTool"]):
    def for_use(self) -> ApiToolQuerySet:
        """Those that may be called, with all that a call needs."""
        return self.filter(is_enabled=True, gone_at=None, server__is_active=True).select_related("server")


class ApiTool(Named, Tagged):
    """One call of an API. What an import last said stands in `imported`; what differs from it, staff have edited."""

    # What an import says of a tool and staff may change.
    IMPORTED: ClassVar[tuple[str, ...]] = (
        "name",
        "description",
        "method",
        "path",
        "arguments",
        "places",
        "body_type",
        "mock_response",
    )

    server = models.ForeignKey(ApiServer, on_delete=models.CASCADE, related_name="tools", verbose_name=_("server"))
    operation = models.CharField(_("operation"), max_length=200, blank=True, editable=False)
    method = models.CharField(_("method"), max_length=10, choices=method_choices, default="GET")
    path = models.CharField(
        _("path"), max_length=2_000, help_text=_("Begins with a slash; {name} is filled by an argument.")
    )
    arguments = models.JSONField(_("arguments"), default=dict, blank=True)
    places = models.JSONField(_("where each argument goes"), default=dict, blank=True)
    body_type = models.CharField(_("written as"), max_length=200, blank=True)
    response_fields = models.JSONField(_("fields of the answer"), default=list, blank=True)
    mock_response = models.TextField(_("example answer"), blank=True, max_length=100_000)
    is_mocked = models.BooleanField(
        _("answers with the example"), default=False, help_text=_("For trying things out: the API is not called.")
    )
    is_enabled = models.BooleanField(_("enabled"), default=True)
    imported = models.JSONField(default=dict, blank=True, editable=False)
    gone_at = models.DateTimeField(_("no longer in the document since"), null=True, blank=True, editable=False)

    objects: ClassVar[Any] = ApiToolQuerySet.as_manager()

    class Meta:
        verbose_name = _("API tool")
        verbose_name_plural = _("API tools")
        ordering = ["name"]
        permissions = [("run_apitool", _("Can call APIs with API tools"))]
        constraints = [
            models.UniqueConstraint(
                fields=["server", "operation"], condition=~Q(operation=""), name="api_tool_stands_for_one_operation"
            )
        ]

    def clean(self) -> None:
        if not self.path.startswith("/") or re.search(r"[\s?#\\\x00-\x1f]", self.path):
            raise ValidationError(
                {"path": _("Write a path such as /orders/{number}, without blanks or a question mark.")}
            )
        try:
            check_schema(self.arguments or {"type": "object"})
        except MagnetError as error:
            raise ValidationError({"arguments": error.detail}) from error
        _prove_places(self)
        if not all(isinstance(field, str) and field for field in self.response_fields):
            raise ValidationError({"response_fields": _("Name each field by its path, such as items.name.")})
        if self.is_mocked and not self.mock_response:
            raise ValidationError({"mock_response": _("Write the example that is to be answered.")})

    @property
    def is_read_only(self) -> bool:
        return self.method in SAFE_METHODS

    @property
    def edited(self) -> list[str]:
        """The fields that differ from what the last import said: a new import keeps them."""
        return [name for name in self.IMPORTED if name in self.imported and self.imported[name] != getattr(self, name)]


# -- Proofs --------------------------------------------------------------------------------------------------------


def _prove_places(tool: ApiTool) -> None:
    """Every argument goes somewhere, and every gap in the path is filled."""
    properties = tool.arguments.get("properties", {}) if isinstance(tool.arguments, dict) else {}
    places = tool.places
    if not isinstance(places, dict) or not all(isinstance(p, dict) and p.get("in") in PLACES for p in places.values()):
        raise ValidationError({"places": _("Say of each argument where it goes: %s.") % ", ".join(PLACES)})
    if homeless := sorted(set(properties) ^ set(places)):
        raise ValidationError({"places": _("“%s” has no place, or a place and no argument.") % homeless[0]})
    for name, place in places.items():
        if place["in"] == "header" and is_framing(str(place.get("name", name))):
            raise ValidationError({"places": _("“%s” is a header of the connection itself.") % place.get("name", name)})
    filled = {place.get("name", name) for name, place in places.items() if place["in"] == "path"}
    if gaps := sorted(set(re.findall(r"{([^{}]+)}", tool.path)) ^ filled):
        raise ValidationError({"path": _("“%s” is a gap without an argument, or an argument without a gap.") % gaps[0]})

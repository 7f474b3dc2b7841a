"""What servers of others have in common, whatever they speak: a sign-in, secrets that are never shown, and limits."""

from __future__ import annotations

import re
from typing import Any, ClassVar, Self

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _
from pydantic import BaseModel
from pydantic import ValidationError as ShapeError

from magnet.encryption import decrypt, encrypt
from magnet.errors import MagnetError
from magnet.models.base import Named, Tagged
from magnet.outbound.addresses import host_and_port
from magnet.outbound.http import origin_of
from magnet.shape_faults import sentence
from tools_app.api_auth import AUTHS, Auth, auth_kind
from tools_app.api_auth.base import HEADER_NAME, is_framing

LONGEST_HEADER_NAME = 100
# What names of headers that carry secrets are made of: “X-Api-Key”, “PRIVATE-TOKEN”, “Ocp-Apim-Subscription-Key”.
SECRET_WORDS = frozenset({"authorization", "auth", "cookie", "token", "secret", "password", "apikey", "credential"})
SECRET_PAIRS = ("api-key", "access-key", "subscription-key", "private-key")


def auth_kinds() -> list[tuple[str, str]]:
    return [(kind, auth.label) for kind, auth in AUTHS.items()]


class RemoteServer(Named, Tagged):
    """Somebody's server. Secrets are written, never shown, and belong to its addresses."""

    # The column that says where it is.
    address_column: ClassVar[str]
    # What goes with it: see magnet.models.uses.
    PARTS: ClassVar[str] = "tools"

    auth_kind = models.CharField(_("sign-in"), max_length=50, choices=auth_kinds, default="none")
    auth_config = models.JSONField(_("settings of the sign-in"), default=dict, blank=True)
    encrypted_secrets = models.TextField(blank=True, editable=False)
    headers = models.JSONField(_("headers"), default=dict, blank=True, help_text=_("Sent with every call."))
    verifies_tls = models.BooleanField(
        _("check certificates"),
        default=True,
        help_text=_("Switched off, whoever stands between can read and change everything, the secrets included."),
    )
    allows_private_addresses = models.BooleanField(
        _("may be at a private address"),
        default=False,
        help_text=_("Only hosts that the operator lists in MAGNET_ALLOWED_PRIVATE_HOSTS are called all the same."),
    )
    timeout_seconds = models.FloatField(
        _("time-out (seconds)"), default=30, validators=[MinValueValidator(0.1), MaxValueValidator(300)]
    )
    max_response_kb = models.PositiveIntegerField(
        _("largest answer (KB)"), default=1_024, validators=[MinValueValidator(1), MaxValueValidator(20_480)]
    )
    is_active = models.BooleanField(_("active"), default=True)

    class Meta:
        abstract = True

    @property
    def address(self) -> str:
        return str(getattr(self, self.address_column))

    @property
    def auth_class(self) -> type[Auth]:
        return auth_kind(self.auth_kind)

    @property
    def has_secrets(self) -> bool:
        return bool(self.encrypted_secrets)

    @property
    def secrets(self) -> dict[str, Any]:
        return decrypt(self.encrypted_secrets) or {}

    def set_secrets(self, secrets: dict[str, Any]) -> None:
        self.encrypted_secrets = encrypt(secrets)

    def origins(self) -> set[str]:
        """Where its secrets may go: its own address, and that of its tokens."""
        addresses = [self.address, *(str(value) for value in self.auth_config.values() if "://" in str(value))]
        return {_origin(address) for address in addresses if address}

    def leads_elsewhere(self, changes: dict[str, Any]) -> bool:
        """Whether changed columns send what is secret to a new place, or under a sign-in it was not entered for."""
        kind, config = changes.get("auth_kind", self.auth_kind), changes.get("auth_config", self.auth_config)
        changed = self.at(
            str(changes.get(self.address_column, self.address)).strip(), config if isinstance(config, dict) else {}
        )
        return kind != self.auth_kind or bool(changed.origins() - self.origins()) or not changed.address

    @classmethod
    def at(cls, address: str, auth_config: dict[str, Any]) -> Self:
        return cls(auth_config=auth_config, **{cls.address_column: address})

    def open_auth(self) -> Auth:
        """The sign-in with its settings and decrypted secrets. Raises ShapeError where they do not fit."""
        kind = self.auth_class
        return kind(kind.Config.model_validate(self.auth_config), kind.Secrets.model_validate(self.secrets))


# -- Proofs --------------------------------------------------------------------------------------------------------


def _origin(address: str) -> str:
    try:
        return origin_of(address)
    except MagnetError:
        return address


def prove_address(address: str, *, field: str) -> None:
    if not address:
        return
    try:
        host_and_port(address)
    except MagnetError as error:
        raise ValidationError({field: error.detail}) from error


def prove_shape(shape: type[BaseModel], value: Any, *, field: str) -> None:
    try:
        shape.model_validate(value)
    except ShapeError as error:
        messages = [f"{'.'.join(map(str, e['loc'])) or field}: {sentence(e)}" for e in error.errors()]
        raise ValidationError({field: messages}) from error


def prove_headers(headers: Any) -> None:
    if not isinstance(headers, dict):
        raise ValidationError({"headers": _("Write each header as a name and a text.")})
    for name, value in headers.items():
        is_text = isinstance(value, str) and value.isascii() and value.isprintable()
        if is_framing(str(name)):
            raise ValidationError({"headers": _("“%s” belongs to the connection itself, so it cannot be set.") % name})
        if is_secret(str(name)):
            said = _("“%s” is a secret, and headers can be read by everybody. Enter it as the sign-in.") % name
            raise ValidationError({"headers": said})
        if not re.match(HEADER_NAME, str(name)) or len(str(name)) > LONGEST_HEADER_NAME or not is_text:
            said = _("“%s” is no header: a name, and a text of plain letters in one line.") % name
            raise ValidationError({"headers": said})


def is_secret(name: str) -> bool:
    """Whether a header of this name usually says who somebody is."""
    words = name.strip().lower().replace("_", "-")
    return bool(SECRET_WORDS & set(words.split("-"))) or any(pair in words for pair in SECRET_PAIRS)

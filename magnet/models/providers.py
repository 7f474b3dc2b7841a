"""Where models come from, what they can do and what they cost."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, ClassVar

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from magnet.encryption import decrypt, encrypt
from magnet.errors import NotConfigured
from magnet.models.base import Named
from magnet.outbound import key_hosts
from magnet.providers import PROVIDERS, provider_kind
from magnet.providers.base import Connection, Usage


def provider_kinds() -> list[tuple[str, str]]:
    return [(kind, provider.label) for kind, provider in PROVIDERS.items()]


class Provider(Named):
    """An account with somebody who runs models. Its kind is chosen once."""

    kind = models.CharField(_("kind"), max_length=50, choices=provider_kinds)
    base_url = models.URLField(
        _("base URL"),
        max_length=500,
        blank=True,
        help_text=_("Leave empty for the provider's usual address."),
    )
    encrypted_api_key = models.TextField(_("API key"), blank=True, editable=False)
    api_key_variable = models.CharField(
        _("environment variable with the key"),
        max_length=100,
        blank=True,
        help_text=_("For example OPENAI_API_KEY. Only the variable's name is stored, never its value."),
    )
    options = models.JSONField(_("options"), default=dict, blank=True)
    timeout_seconds = models.FloatField(
        _("time-out (seconds)"), default=60, validators=[MinValueValidator(1), MaxValueValidator(600)]
    )
    max_concurrency = models.PositiveIntegerField(_("calls at the same time"), null=True, blank=True)
    requests_per_minute = models.PositiveIntegerField(_("requests a minute"), null=True, blank=True)
    tokens_per_minute = models.PositiveIntegerField(_("tokens a minute"), null=True, blank=True)
    is_active = models.BooleanField(_("active"), default=True)

    class Meta:
        verbose_name = _("provider")
        verbose_name_plural = _("providers")
        ordering = ["name"]

    def clean(self) -> None:
        if self.api_key_variable and not re.fullmatch(r"[A-Z][A-Z0-9_]*_API_KEY", self.api_key_variable):
            raise ValidationError(
                {"api_key_variable": _("Name a variable that ends in _API_KEY, such as OPENAI_API_KEY.")}
            )
        if self.leaks_key:
            raise ValidationError({"api_key_variable": key_hosts.refusal(self.api_key_variable, self.base_url)})

    @property
    def api_key(self) -> str:
        """The key in clear: from the environment variable when one is named, else decrypted."""
        if self.api_key_variable:
            return str(settings.PROVIDER_KEYS.get(self.api_key_variable, ""))
        return decrypt(self.encrypted_api_key) or ""

    def set_api_key(self, key: str) -> None:
        self.encrypted_api_key = encrypt(key)

    @property
    def leaks_key(self) -> bool:
        """Whether a key of the environment would go where the operator has not allowed it to go."""
        usual = provider_kind(self.kind).usual_hosts
        return bool(self.api_key_variable) and not key_hosts.may_receive(
            self.api_key_variable, self.base_url, usual=usual
        )

    @property
    def has_api_key(self) -> bool:
        return bool(self.api_key_variable or self.encrypted_api_key)

    def connection(self) -> Connection:
        """Raises NotConfigured when the named environment variable is empty, or not for this host."""
        if self.leaks_key:
            raise NotConfigured(key_hosts.refusal(self.api_key_variable, self.base_url))
        if self.api_key_variable and not self.api_key:
            raise NotConfigured(
                f"The provider “{self.name}” takes its key from {self.api_key_variable}, which is not set. "
                f"Set the environment variable and restart."
            )
        return Connection(base_url=self.base_url, api_key=self.api_key, timeout_seconds=self.timeout_seconds)


class AIModelQuerySet(models.QuerySet["AIModel"]):
    def for_use(self) -> AIModelQuerySet:
        """Active models of active providers, with all that a call needs."""
        return self.filter(is_active=True, provider__is_active=True).select_related("provider", "fallback__provider")

    def default_for(self, purpose: str) -> AIModel:
        """Raises NotConfigured when no model is the default for `purpose`."""
        model = self.for_use().filter(purpose=purpose, is_default=True).first()
        if model is None:
            raise NotConfigured(f"No {purpose} model is the default. Choose one in the admin under Models.")
        return model


class AIModel(Named):
    """One model of a provider for one purpose. Prices are US dollars per million tokens."""

    class Purpose(models.TextChoices):
        CHAT = "chat", _("Chat")
        EMBEDDING = "embedding", _("Embedding")
        RERANK = "rerank", _("Rerank")

    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="models", verbose_name=_("provider"))
    model_name = models.CharField(
        _("the provider's name for it"), max_length=200, help_text=_("With Azure: the deployment.")
    )
    purpose = models.CharField(_("purpose"), max_length=20, choices=Purpose.choices)
    is_default = models.BooleanField(_("default for its purpose"), default=False)
    is_active = models.BooleanField(_("active"), default=True)
    fallback = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="falls_back_for",
        verbose_name=_("fallback"),
        help_text=_("Tried once when this model fails."),
    )
    context_tokens = models.PositiveIntegerField(_("context (tokens)"), default=128_000)
    max_output_tokens = models.PositiveIntegerField(_("longest answer (tokens)"), null=True, blank=True)
    can_stream = models.BooleanField(_("streams"), default=True)
    can_call_tools = models.BooleanField(_("calls tools"), default=True)
    can_see = models.BooleanField(_("sees images"), default=False)
    can_follow_schema = models.BooleanField(_("follows a JSON schema"), default=True)
    can_reason = models.BooleanField(_("takes a reasoning effort"), default=False)
    takes_temperature = models.BooleanField(_("takes a temperature"), default=True)
    dimensions = models.PositiveIntegerField(
        _("dimensions"), null=True, blank=True, validators=[MaxValueValidator(4_000)]
    )
    is_multilingual = models.BooleanField(_("multilingual"), default=False)
    max_input_tokens = models.PositiveIntegerField(
        _("longest text (tokens)"), default=8_000, help_text=_("Embedding: longer texts are cut.")
    )
    # The share of meaning in the fused score; it belongs to the embedding model (RETRIEVAL: .6, weak models .3).
    fusion_weight = models.FloatField(
        _("weight of meaning"), default=0.6, validators=[MinValueValidator(0), MaxValueValidator(1)]
    )
    # Cosines of unrelated and of fitting texts under this model, so that scores of several models compare.
    score_floor = models.FloatField(_("score of unrelated texts"), default=0.0)
    score_ceiling = models.FloatField(_("score of fitting texts"), default=1.0)
    input_price = models.DecimalField(_("input price"), max_digits=20, decimal_places=10, default=Decimal(0))
    cached_input_price = models.DecimalField(
        _("cached input price"),
        max_digits=20,
        decimal_places=10,
        null=True,
        blank=True,
        help_text=_("Leave empty to price cached input like other input."),
    )
    output_price = models.DecimalField(_("output price"), max_digits=20, decimal_places=10, default=Decimal(0))

    objects: ClassVar[Any] = AIModelQuerySet.as_manager()

    class Meta:
        verbose_name = _("model")
        verbose_name_plural = _("models")
        ordering = ["purpose", "name"]
        constraints = [
            models.UniqueConstraint(
                fields=["purpose"], condition=Q(is_default=True), name="one_default_model_for_each_purpose"
            ),
            models.CheckConstraint(
                condition=~Q(purpose="embedding") | Q(dimensions__gt=0), name="embedding_model_has_dimensions"
            ),
            models.CheckConstraint(
                condition=Q(fallback=None) | ~Q(fallback=models.F("id")), name="model_is_not_its_own_fallback"
            ),
        ]

    def clean(self) -> None:
        if self.pk is None or not self.has_indexed:
            return
        stored = type(self).objects.values_list("dimensions", flat=True).get(pk=self.pk)
        if stored != self.dimensions:
            said = _("Documents are indexed with %(n)s dimensions, so this stays. Add another model instead.")
            raise ValidationError({"dimensions": said % {"n": stored}})

    @property
    def has_indexed(self) -> bool:
        """Whether vectors of this model are stored, which fit only its dimensions."""
        return self.purpose == self.Purpose.EMBEDDING and bool(self.indexes.exists())

    @property
    def can_write(self) -> bool:
        """Whether it generates text; the built-in answerer only quotes."""
        return self.purpose == self.Purpose.CHAT and not provider_kind(self.provider.kind).is_built_in

    def cost(self, usage: Usage) -> Decimal:
        """US dollars for `usage`; cached tokens are part of the input, priced once."""
        cached_price = self.input_price if self.cached_input_price is None else self.cached_input_price
        fresh = usage.input_tokens - usage.cached_tokens
        total = fresh * self.input_price + usage.cached_tokens * cached_price + usage.output_tokens * self.output_price
        return total / 1_000_000

    def make_default(self) -> None:
        type(self).objects.filter(purpose=self.purpose, is_default=True).exclude(pk=self.pk).update(is_default=False)
        self.is_default = True
        self.save(update_fields=["is_default", "updated_at"])

"""Knowledge sources: where documents come from and when they are looked for."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar
from zoneinfo import ZoneInfo, available_timezones

from croniter import croniter
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import connection, models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from pydantic import BaseModel
from pydantic import ValidationError as ShapeError

from knowledge.chunkers import CHUNKERS, chunker_kind
from knowledge.connectors import CONNECTORS, connector_kind
from knowledge.connectors.base import Connector
from knowledge.metadata_fields import mapping_of, place
from magnet.encryption import decrypt, encrypt
from magnet.errors import MagnetError, NotFound
from magnet.models import AIModel
from magnet.models.base import Named, Tagged
from magnet.shape_faults import sentence

if TYPE_CHECKING:
    from knowledge.models.indexes import KnowledgeIndex


# The key, in a connector's state, of the settings that it belongs to.
STATE_OF = "_settings"
# Whoever reads an address passes over these, so "https:/\n/…" is one as well.
PASSED_OVER = dict.fromkeys(map(ord, "\t\r\n"))


def connector_kinds() -> list[tuple[str, str]]:
    return [(kind, connector.label) for kind, connector in CONNECTORS.items()]


def chunker_kinds() -> list[tuple[str, str]]:
    return [(kind, chunker.label) for kind, chunker in CHUNKERS.items()]


def check_time_zone(value: str) -> None:
    if value not in available_timezones():
        raise ValidationError(_("Name a time zone such as Europe/Riga."))


class KnowledgeSourceQuerySet(models.QuerySet["KnowledgeSource"]):
    def due(self, now: datetime) -> KnowledgeSourceQuerySet:
        return self.filter(next_sync_at__lte=now)

    def hold(self, pk: int) -> KnowledgeSource:
        """The source, locked until the transaction ends. Raises NotFound when it was deleted in the meantime.

        Without its key: whoever writes what belongs to the source needs no more than its key, and goes on.
        """
        source = self.select_for_update(of=("self",), no_key=True).filter(pk=pk).first()
        if source is None:
            raise NotFound("This knowledge source was deleted.")
        return source

    def keep(self, pk: int) -> None:
        """Nobody deletes the source until the transaction ends; whoever else works on it is not held up."""
        with connection.cursor() as cursor:
            cursor.execute("select from knowledge_knowledgesource where id = %s for key share", [pk])


class KnowledgeSource(Named, Tagged):
    class Schedule(models.TextChoices):
        MANUAL = "manual", _("Only by hand")
        HOURLY = "hourly", _("Every hour")
        DAILY = "daily", _("Every day")
        WEEKLY = "weekly", _("Every week")
        CRON = "cron", _("By a cron expression")

    connector = models.CharField(_("connector"), max_length=50, choices=connector_kinds)
    config = models.JSONField(_("settings of the connector"), default=dict, blank=True)
    encrypted_secrets = models.TextField(blank=True, editable=False)
    # The connector's own cursor, stored after each complete listing, with the settings that it belongs to.
    connector_state = models.JSONField(default=dict, blank=True, editable=False)

    schedule = models.CharField(_("look for changes"), max_length=20, choices=Schedule.choices, default=Schedule.MANUAL)
    cron = models.CharField(_("cron expression"), max_length=100, blank=True, help_text=_("For example 0 6 * * 1-5."))
    time_zone = models.CharField(_("time zone"), max_length=64, default="UTC", validators=[check_time_zone])
    next_sync_at = models.DateTimeField(_("next sync"), null=True, blank=True, editable=False, db_index=True)

    chunker = models.CharField(_("chunker"), max_length=50, choices=chunker_kinds, default="paragraphs")
    chunker_config = models.JSONField(_("settings of the chunker"), default=dict, blank=True)
    embedding_model = models.ForeignKey(
        AIModel,
        on_delete=models.PROTECT,
        limit_choices_to=Q(purpose="embedding"),
        related_name="knowledge_sources",
        verbose_name=_("embedding model"),
        help_text=_("A change builds a new index beside the live one, which serves until you switch."),
    )
    context_model = models.ForeignKey(
        AIModel,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        limit_choices_to=Q(purpose="chat"),
        related_name="gives_context_to",
        verbose_name=_("model that writes a line of context for each chunk"),
        help_text=_(
            "Empty: none. One call for each chunk, so it costs; the tab “Index” and the forecast say how much."
        ),
    )
    language = models.CharField(
        _("language"),
        max_length=10,
        blank=True,
        help_text=_("Empty: found out for each document. For example en."),
    )
    metadata_fields = models.JSONField(
        _("metadata for filters"),
        default=list,
        blank=True,
        db_default=[],
        help_text=_("Empty: filters may use all metadata, as the source gives it."),
    )
    deletion_guard_percent = models.PositiveSmallIntegerField(
        _("stop and ask when a sync would delete more than (%)"),
        default=20,
        validators=[MinValueValidator(0), MaxValueValidator(100)],
    )

    objects: ClassVar[Any] = KnowledgeSourceQuerySet.as_manager()

    class Meta:
        verbose_name = _("knowledge source")
        verbose_name_plural = _("knowledge sources")
        ordering = ["name"]

    def clean(self) -> None:
        _prove(self.connector_class.Config, self.config, field="config")
        try:
            self.connector_class.prove(self.connector_class.Config.model_validate(self.config))
        except MagnetError as error:
            raise ValidationError({"config": error.detail}) from error
        _prove(chunker_kind(self.chunker).Config, self.chunker_config, field="chunker_config")
        self.metadata_fields = _proved_mapping(self.metadata_fields)
        if self.context_model is not None and not self.context_model.can_write:
            raise ValidationError({"context_model": _("This model cannot write: choose a chat model of a provider.")})
        if self.schedule == self.Schedule.CRON and not croniter.is_valid(self.cron):
            raise ValidationError({"cron": _("This is not a cron expression. An example: 0 6 * * 1-5.")})
        if self.schedule != self.Schedule.MANUAL and self.is_pushed:
            raise ValidationError({"schedule": _("Documents are uploaded to this source, so nothing is looked for.")})

    @property
    def connector_class(self) -> type[Connector]:
        return connector_kind(self.connector)

    @property
    def is_pushed(self) -> bool:
        return self.connector_class.is_pushed

    @property
    def live_index(self) -> KnowledgeIndex | None:
        """The generation that serves; asked of the generations, so that saving a source cannot lose it."""
        return self.indexes.filter(status="live").first()

    @property
    def building_index(self) -> KnowledgeIndex | None:
        """The generation that is built beside the live one, or that catches up to serve again."""
        return self.indexes.filter(status="building").first()

    def leads_elsewhere(self, config: dict[str, Any]) -> bool:
        """Whether settings name a new address: whoever can change it must not learn the secrets for the old one."""
        new, old = self._written_out(config), self._written_out(self.config)
        has_moved = any(value and value != old.get(name) for name, value in new.items() if _is_address(old.get(name)))
        return has_moved or bool(_addresses(new) - _addresses(old))

    def _written_out(self, config: dict[str, Any]) -> dict[str, Any]:
        """With the connector's defaults, so that whoever writes one out leads nowhere new."""
        fields = self.connector_class.Config.model_fields.items()
        return {**{name: info.default for name, info in fields if not info.is_required()}, **config}

    def set_secrets(self, secrets: dict[str, Any]) -> None:
        self.encrypted_secrets = encrypt(secrets)

    def open_connector(self) -> Connector:
        """The connector with its settings, decrypted secrets and a copy of its state.

        The state begins anew after other settings: a cursor of another folder would leave this one half read.
        """
        kind = self.connector_class
        state = dict(self.connector_state)
        is_ours = state.pop(STATE_OF, None) == self._connector_settings()
        return kind(
            kind.Config.model_validate(self.config),
            kind.Secrets.model_validate(decrypt(self.encrypted_secrets) or {}),
            state=state if is_ours else {},
        )

    def keep_connector_state(self, state: dict[str, Any]) -> None:
        """Store what the connector wants to know at its next listing, which these settings have led to."""
        stored = {**state, STATE_OF: self._connector_settings()}
        type(self).objects.filter(pk=self.pk).update(connector_state=stored)

    def _connector_settings(self) -> str:
        settings = json.dumps([self.config, self.encrypted_secrets], sort_keys=True)
        return hashlib.sha256(settings.encode()).hexdigest()

    def plan_next_sync(self, *, after: datetime | None = None) -> None:
        """Set next_sync_at from the schedule (not saved); None when syncs are started by hand."""
        after = after or timezone.now()
        steps = {
            self.Schedule.HOURLY: timedelta(hours=1),
            self.Schedule.DAILY: timedelta(days=1),
            self.Schedule.WEEKLY: timedelta(weeks=1),
        }
        if self.schedule == self.Schedule.CRON:
            local = after.astimezone(ZoneInfo(self.time_zone))
            self.next_sync_at = croniter(self.cron, local).get_next(datetime)
        else:
            step = steps.get(self.Schedule(self.schedule))
            self.next_sync_at = after + step if step else None


def _addresses(value: Any) -> set[str]:
    """All that may be read as an address, wherever it stands: //host and \\\\host are some, too."""
    if isinstance(value, str):
        return {value} if _is_address(value) else set()
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return {address for part in parts for address in _addresses(part)}


def _is_address(value: Any) -> bool:
    return isinstance(value, str) and "//" in value.translate(PASSED_OVER).replace("\\", "/")


def _proved_mapping(given: Any) -> list[dict[str, str]]:
    """Written out, so that two mappings of the same meaning are equal."""
    try:
        return [field.as_json() for field in mapping_of(given)]
    except ShapeError as error:
        messages = [f"{place(e['loc'])}: {sentence(e)}" for e in error.errors()]
        raise ValidationError({"metadata_fields": messages}) from error
    except ValueError as error:
        raise ValidationError({"metadata_fields": str(error)}) from error


def _prove(shape: type[BaseModel], value: dict[str, Any], *, field: str) -> None:
    try:
        shape.model_validate(value)
    except ShapeError as error:
        messages = [f"{'.'.join(map(str, e['loc'])) or field}: {sentence(e)}" for e in error.errors()]
        raise ValidationError({field: messages}) from error

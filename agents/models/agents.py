"""Agents: an identity with versions, each with its topics, their actions, its memory and its limits."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from pydantic import TypeAdapter
from pydantic import ValidationError as ShapeError

from agents.models.proving import prompt_faults, prove_topics
from agents.models.topics import Action, Topic
from agents.topic_parts import TopicShape, proved
from magnet.models import AIModel, PromptTemplate
from magnet.models.versions import Version, Versioned, VersionedQuerySet
from magnet.prompt_parts import Variable, Variables
from magnet.shape_faults import sentence
from tools_app.models.answer_checks import Category
from tools_app.models.presentation import PRESENTATION_SETTINGS, Presentation

DAY_MINUTES = 24 * 60
SHAPES: dict[str, TypeAdapter[Any]] = {
    "variables": TypeAdapter(Variables),
    "categories": TypeAdapter(list[Category]),
}


class Agent(Versioned):
    live = models.ForeignKey(
        "AgentVersion", on_delete=models.RESTRICT, null=True, blank=True, editable=False, related_name="+"
    )
    draft = models.ForeignKey(
        "AgentVersion", on_delete=models.SET_NULL, null=True, blank=True, editable=False, related_name="+"
    )

    objects: ClassVar[Any] = VersionedQuerySet.as_manager()

    class Meta:
        verbose_name = _("agent")
        verbose_name_plural = _("agents")
        ordering = ["name"]
        permissions = [
            ("publish_agent", _("Can publish agents and undo it")),
            ("run_agent", _("Can talk to agents, which may do things for them")),
        ]

    def copy_relations(self, source: Any, draft: Any) -> None:
        draft.replace_topics(proved(source.topics()))


class AgentVersion(Version, Presentation):
    """What an agent is told, what it may do, what it remembers, and where it has to stop."""

    SETTINGS = (
        "ai_model",
        "routing_prompt",
        "processing_prompt",
        "summary_prompt",
        "variables",
        "memory",
        "memory_messages",
        "memory_tokens",
        "max_steps",
        "max_seconds",
        "max_tokens",
        "max_cost",
        "greeting_text",
        "farewell_text",
        "unclear_text",
        "off_topic_text",
        "limit_text",
        "welcome_text",
        *PRESENTATION_SETTINGS,
        "closure_after_minutes",
        "analyses_conversations",
        "categories",
    )

    class Memory(models.TextChoices):
        MESSAGES = "messages", _("The last messages")
        TOKENS = "tokens", _("As many messages as there is room for")
        SUMMARY = "summary", _("A summary, and the last messages")

    identity = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="versions")
    ai_model = models.ForeignKey(
        AIModel,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        limit_choices_to=Q(purpose="chat"),
        related_name="+",
        verbose_name=_("model"),
        help_text=_("Empty: the model of the prompt template, else the default chat model."),
    )
    routing_prompt = models.ForeignKey(
        PromptTemplate,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("prompt template that chooses the topic"),
        help_text=_("Empty: the prompt template `agent-choose-topic`."),
    )
    processing_prompt = models.ForeignKey(
        PromptTemplate,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("prompt template that answers"),
        help_text=_("Empty: the prompt template `agent-answer`."),
    )
    summary_prompt = models.ForeignKey(
        PromptTemplate,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("prompt template that sums up"),
        help_text=_("Empty: the prompt template `agent-summary`."),
    )
    # A list of prompt_parts.Variable.
    variables = models.JSONField(
        _("variables"),
        default=list,
        blank=True,
        help_text=_("What callers may give; in instructions and arguments they stand in braces, such as {customer}."),
    )
    memory = models.CharField(_("what it remembers"), max_length=20, choices=Memory.choices, default=Memory.MESSAGES)
    memory_messages = models.PositiveIntegerField(
        _("messages remembered"), default=10, validators=[MaxValueValidator(200)]
    )
    memory_tokens = models.PositiveIntegerField(
        _("tokens remembered"),
        default=4_000,
        validators=[MinValueValidator(100)],
        help_text=_("Never more than this, whatever it remembers. Older messages are left out first."),
    )
    max_steps = models.PositiveIntegerField(
        _("steps"),
        default=8,
        validators=[MinValueValidator(2), MaxValueValidator(50)],
        help_text=_("How often the model is asked in one turn. The last time it has to answer without tools."),
    )
    max_seconds = models.PositiveIntegerField(
        _("seconds"), default=120, validators=[MinValueValidator(5), MaxValueValidator(1_800)]
    )
    max_tokens = models.PositiveIntegerField(
        _("tokens"), null=True, blank=True, validators=[MinValueValidator(100)], help_text=_("Empty: no limit.")
    )
    max_cost = models.DecimalField(
        _("cost in US dollars"),
        max_digits=12,
        decimal_places=6,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal("0.000001"))],
        help_text=_("Empty: no limit."),
    )
    greeting_text = models.TextField(
        _("to a greeting"),
        max_length=2_000,
        blank=True,
        default="Hello! What can I do for you?",
        help_text=_("These sentences are said without a model call. Empty: the model answers by itself."),
    )
    farewell_text = models.TextField(
        _("to a farewell"), max_length=2_000, blank=True, default="You are welcome. Goodbye!"
    )
    unclear_text = models.TextField(
        _("when it is unclear what is meant"),
        max_length=2_000,
        blank=True,
        default="I am not sure what you mean. Could you say it in other words?",
    )
    off_topic_text = models.TextField(
        _("when it fits no topic"), max_length=2_000, blank=True, default="I am afraid I cannot help with that."
    )
    limit_text = models.TextField(
        _("when a limit ends the turn"),
        max_length=2_000,
        default="I have to stop here. Please ask again with a smaller step.",
    )
    welcome_text = models.TextField(
        _("welcome message"), max_length=2_000, blank=True, help_text=_("The first thing that is said in a chat.")
    )
    closure_after_minutes = models.PositiveIntegerField(
        _("closes after (minutes)"),
        null=True,
        blank=True,
        default=DAY_MINUTES,
        validators=[MinValueValidator(1)],
        help_text=_("When nobody has written for so long. Empty: never."),
    )
    analyses_conversations = models.BooleanField(
        _("analyse conversations"),
        default=False,
        help_text=_("When they are closed, in the background: a summary, the language, and whether it was solved."),
    )
    categories = models.JSONField(
        _("categories"), default=list, blank=True, help_text=_("One a line. The analysis chooses one of them.")
    )

    class Meta(Version.Meta):
        verbose_name = _("version of an agent")
        verbose_name_plural = _("versions of agents")
        constraints = [models.UniqueConstraint(fields=["identity", "number"], name="agent_version_number_is_unique")]

    def clean(self) -> None:
        super().clean()
        faults = {name: said for name in SHAPES if (said := self._fault_in(name))}
        if "variables" not in faults:
            faults |= prompt_faults(self, variables=self.declared())
        if faults:
            raise ValidationError(faults)

    def _fault_in(self, name: str) -> str:
        try:
            value = SHAPES[name].validate_python(getattr(self, name))
        except ShapeError as error:
            return sentence(error.errors(include_url=False)[0])
        setattr(self, name, SHAPES[name].dump_python(value, mode="json", exclude_defaults=True))
        return ""

    # Topics on their way into the tables.
    _given: list[TopicShape] | None = None

    # -- Topics ----------------------------------------------------------------------------------------------------

    def settings(self) -> dict[str, Any]:
        return {**super().settings(), "topics": self.topics()}

    def topics(self) -> list[dict[str, Any]]:
        """As people write them, in their order."""
        return [topic.as_settings() for topic in self.topic_rows.prefetch_related("actions")]

    def apply(self, changes: dict[str, Any]) -> None:
        """As for every version; `topics` is a list of topics as people write them."""
        changes = dict(changes)
        topics = changes.pop("topics", None)
        self._given = None if topics is None else proved(topics)
        super().apply(changes)
        if self._given is not None:
            self.replace_topics(self._given)
            self._given = None

    def prove(self) -> None:
        """With the topics that are about to be stored, else with those that are."""
        super().prove()
        topics = self._given if self._given is not None else proved(self.topics() if self.pk else [])
        prove_topics(topics, variables=self.declared(), agent=self.identity)

    def declared(self) -> tuple[Variable, ...]:
        return tuple(SHAPES["variables"].validate_python(self.variables))

    def replace_topics(self, topics: Sequence[TopicShape]) -> None:
        self.topic_rows.all().delete()
        rows = [
            Topic(version=self, position=place, **topic.model_dump(exclude={"actions"}))
            for place, topic in enumerate(topics)
        ]
        Topic.objects.bulk_create(rows)
        Action.objects.bulk_create(
            Action(topic=row, position=place, **action.model_dump())
            for row, topic in zip(rows, topics, strict=True)
            for place, action in enumerate(topic.actions)
        )

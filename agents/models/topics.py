"""Topics and their actions: copied with each version, each with a key that stays the same from version to version."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from agents.topic_parts import LONGEST_FUNCTION, LONGEST_KEY


class Topic(models.Model):
    """What people come with, and how the agent goes about it."""

    version = models.ForeignKey("AgentVersion", on_delete=models.CASCADE, related_name="topic_rows")
    key = models.CharField(_("key"), max_length=LONGEST_KEY)
    name = models.CharField(_("name"), max_length=200)
    description = models.TextField(_("description"), blank=True)
    instructions = models.TextField(_("instructions"), blank=True)
    position = models.PositiveIntegerField(_("position"), default=0)

    objects: ClassVar[Any] = models.Manager()

    class Meta:
        verbose_name = _("topic")
        verbose_name_plural = _("topics")
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["version", "key"], name="topic_key_is_unique_in_its_version")]

    def __str__(self) -> str:
        return self.name

    def as_settings(self) -> dict[str, Any]:
        """As people write it, its actions included."""
        return {
            "key": self.key,
            "name": self.name,
            "description": self.description,
            "instructions": self.instructions,
            "actions": [action.as_settings() for action in self.actions.all()],
        }


class Action(models.Model):
    """A topic's use of a tool, of another agent or of a workflow, which it names by kind and slug."""

    # As people write them, beside the key.
    WRITTEN: ClassVar[tuple[str, ...]] = (
        "kind",
        "slug",
        "name",
        "description",
        "fixed_arguments",
        "default_arguments",
        "needs_confirmation",
        "confirms_untrusted",
        "answers_directly",
    )

    topic = models.ForeignKey(Topic, on_delete=models.CASCADE, related_name="actions")
    key = models.CharField(_("key"), max_length=LONGEST_KEY)
    kind = models.CharField(_("kind"), max_length=50)
    slug = models.CharField(_("tool"), max_length=300)
    name = models.CharField(_("name of the function"), max_length=LONGEST_FUNCTION)
    description = models.TextField(_("description for the model"), blank=True)
    fixed_arguments = models.JSONField(_("fixed arguments"), default=dict, blank=True)
    default_arguments = models.JSONField(_("default arguments"), default=dict, blank=True)
    # Null: when the tool can change something.
    needs_confirmation = models.BooleanField(_("asks before"), null=True, blank=True)
    confirms_untrusted = models.BooleanField(_("asks when tools were read before"), default=False)
    answers_directly = models.BooleanField(_("its result is the answer"), default=False)
    position = models.PositiveIntegerField(_("position"), default=0)

    objects: ClassVar[Any] = models.Manager()

    class Meta:
        verbose_name = _("action")
        verbose_name_plural = _("actions")
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["topic", "key"], name="action_key_is_unique_in_its_topic"),
            models.UniqueConstraint(fields=["topic", "name"], name="action_name_is_unique_in_its_topic"),
        ]
        indexes = [models.Index(fields=["kind", "slug"], name="action_by_target")]

    def __str__(self) -> str:
        return self.name

    @property
    def version(self) -> Any:
        """The version of the agent that it belongs to, by which people know it."""
        return self.topic.version

    def as_settings(self) -> dict[str, Any]:
        return {"key": self.key, **{name: getattr(self, name) for name in self.WRITTEN}}

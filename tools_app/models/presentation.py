"""The columns that say how a tool is shown to the people who ask it."""

from __future__ import annotations

from typing import Annotated, Any, Final

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _
from pydantic import Field, StringConstraints, TypeAdapter
from pydantic import ValidationError as ShapeError

from magnet.shape_faults import sentence

MOST_SAMPLE_QUESTIONS = 12
LONGEST_SAMPLE_QUESTION = 300

SampleQuestion = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_SAMPLE_QUESTION)
]
SampleQuestions = Annotated[list[SampleQuestion], Field(max_length=MOST_SAMPLE_QUESTIONS)]
_QUESTIONS: Final = TypeAdapter[list[str]](SampleQuestions)

# In the order in which they stand on the page.
PRESENTATION_SETTINGS = (
    "header",
    "introduction",
    "sample_questions",
    "takes_feedback",
    "link_titles",
    "opens_passages",
)


class Presentation(models.Model):
    """How the ask page of a version looks. What is empty is left out, or taken from the tool."""

    class LinkTitles(models.TextChoices):
        DOCUMENT = "document", _("The document's title")
        HEADING = "heading", _("The heading above the passage")
        URL = "url", _("The document's address")

    header = models.CharField(
        _("header"), max_length=120, blank=True, db_default="", help_text=_("Empty: the name of the tool.")
    )
    introduction = models.TextField(
        _("introduction"),
        max_length=2_000,
        blank=True,
        db_default="",
        help_text=_("What it knows about, in a sentence or two. Empty: the description of the tool."),
    )
    sample_questions = models.JSONField(
        _("sample questions"),
        default=list,
        blank=True,
        db_default=[],
        help_text=_("At most twelve; one click asks them."),
    )
    takes_feedback = models.BooleanField(
        _("asks whether an answer helped"),
        default=True,
        db_default=True,
        help_text=_("A thumb up or down below each answer, with room for a comment."),
    )
    link_titles = models.CharField(
        _("passages are named by"),
        max_length=20,
        choices=LinkTitles.choices,
        default=LinkTitles.DOCUMENT,
        db_default=LinkTitles.DOCUMENT.value,
        help_text=_("Where a document lacks it, its title."),
    )
    opens_passages = models.BooleanField(
        _("shows passages at once"),
        default=False,
        db_default=False,
        help_text=_("Otherwise their titles are shown, and each opens with a click."),
    )

    class Meta:
        abstract = True

    def clean(self) -> None:
        super().clean()
        try:
            self.sample_questions = _QUESTIONS.validate_python(self.sample_questions)
        except ShapeError as error:
            raise ValidationError({"sample_questions": _said(error.errors(include_url=False)[0])}) from error


def _said(fault: Any) -> str:
    line = next((part + 1 for part in fault["loc"] if isinstance(part, int)), None)
    if line is None:
        return sentence(fault)
    return str(_("Question %(line)d: %(fault)s")) % {"line": line, "fault": sentence(fault)}

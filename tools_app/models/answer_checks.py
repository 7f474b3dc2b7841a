"""The settings of what happens to an answer once it is written: how it is checked, analysed, and said in languages."""

from __future__ import annotations

from typing import Annotated, Any

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter
from pydantic import ValidationError as ShapeError

from magnet.language import DETECTED_LANGUAGES, primary
from magnet.shape_faults import sentence

ANSWER_CHECK_SETTINGS = ("nothing_found_texts", "support_check", "analyses_answers", "categories")


def known_language(code: str) -> str:
    if primary(code) not in DETECTED_LANGUAGES:
        raise ValueError(f"“{code}” is no language that is told apart here: {', '.join(sorted(DETECTED_LANGUAGES))}.")
    return primary(code)


class LanguageText(BaseModel):
    """A fixed text in one language, by its code of two letters."""

    model_config = ConfigDict(extra="forbid")

    language: Annotated[str, Field(min_length=2, max_length=20), AfterValidator(known_language)]
    text: Annotated[str, Field(min_length=1, max_length=2_000)]


Category = Annotated[str, Field(min_length=1, max_length=100)]
SHAPES: dict[str, TypeAdapter[Any]] = {
    "nothing_found_texts": TypeAdapter(Annotated[list[LanguageText], Field(max_length=50)]),
    "categories": TypeAdapter(Annotated[list[Category], Field(max_length=50)]),
}


class AnswerChecks(models.Model):
    class SupportCheck(models.TextChoices):
        WORDS = "words", _("By words and meaning (no model call)")
        MODEL = "model", _("Also by a model, before the answer is complete")
        MODEL_LATER = "model_later", _("Also by a model, in the background")

    nothing_found_texts = models.JSONField(
        _("when nothing is found, by language"),
        default=list,
        blank=True,
        db_default=[],
        help_text=_("Chosen by the language of the question. Any other language gets the text above."),
    )
    support_check = models.CharField(
        _("check of citations"),
        max_length=20,
        choices=SupportCheck.choices,
        default=SupportCheck.WORDS,
        db_default="words",
        help_text=_("A model judges better, costs a call with the prompt template `check-citation`, and takes time."),
    )
    analyses_answers = models.BooleanField(
        _("analyse answers"),
        default=False,
        db_default=False,
        help_text=_(
            "In the background, within about a minute: language, category, whether it was answered and resolved. One "
            "call with the prompt template `analyse-answer` for each answer."
        ),
    )
    categories = models.JSONField(
        _("categories"),
        default=list,
        blank=True,
        db_default=[],
        help_text=_("One a line. The analysis chooses one of them."),
    )

    class Meta:
        abstract = True

    def clean(self) -> None:
        super().clean()
        faults = {name: _faults(shape, getattr(self, name)) for name, shape in SHAPES.items()}
        if any(faults.values()):
            raise ValidationError({name: said for name, said in faults.items() if said})


def _faults(shape: TypeAdapter[Any], value: Any) -> list[str]:
    try:
        shape.validate_python(value)
    except ShapeError as error:
        return [sentence(fault) for fault in error.errors(include_url=False)]
    return []

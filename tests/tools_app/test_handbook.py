"""The handbook that comes with Magnet answers what newcomers ask, with no language model."""

from __future__ import annotations

import io

import pytest
from django.core.management import call_command

from magnet.database import forget_configuration

pytestmark = pytest.mark.django_db(transaction=True)

ANSWERS = {
    "What can Magnet not do yet?": "the old Office formats",
    "My answer is wrong, what can I do?": "open the trace of the answer",
    "Is my data sent to OpenAI?": "only if you set a key of OpenAI",
    "How do I make a backup?": "manage.py backup",
    "How do I delete everything about a customer?": "Delete uploaded documents",
    "How do I change the language of the admin?": "cannot be changed in this release",
}


def test_newcomers_questions_are_answered_from_the_page_that_is_about_them(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path / "media"
    forget_configuration()
    call_command("demo", verbosity=0, stdout=io.StringIO())

    for question, words in ANSWERS.items():
        said = io.StringIO()
        call_command("ask", "handbook", question, stdout=said)
        answer, _, _ = said.getvalue().partition("\nSources")
        assert words in answer, question
    forget_configuration()

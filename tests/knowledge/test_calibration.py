"""What cosines mean is measured on the documents that there are: on the page of a model, and by a command."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from knowledge import calibration
from knowledge.calibration import Measured
from magnet.errors import Conflict, InvalidInput
from magnet.models import AIModel, AuditEntry, Provider
from tests import factories

pytestmark = pytest.mark.django_db

TOPICS = ("Holidays", "Parking", "Payroll", "Laptops", "Visitors", "Travel", "Canteen", "Safety", "Printers",
          "Training", "Insurance", "Keys", "Meetings", "Contracts", "Recycling", "Bicycles")  # fmt: skip


def page(model: AIModel, route: str) -> str:
    return reverse(f"admin:magnet_aimodel_{route}", args=[model.pk])


@pytest.fixture
def library(db, settings, tmp_path) -> AIModel:
    settings.MEDIA_ROOT = tmp_path
    source = factories.source("library")
    factories.push(source, **{each: f"# {each}\n\nAll about {each.lower()}: whom to ask first." for each in TOPICS})
    found: AIModel = source.embedding_model
    return found


def measure(client: Any, model: AIModel, body: dict[str, Any]) -> Any:
    headers = {"Accept": "application/json"}
    return client.post(page(model, "calibrate"), json.dumps(body), content_type="application/json", headers=headers)


def test_headings_are_nearer_to_their_passages_than_to_others(library):
    measured = calibration.measure(library)

    assert len(measured.fitting) == len(measured.unrelated) <= calibration.PART
    assert sum(measured.fitting) > sum(measured.unrelated)
    proposal = calibration.propose(measured)
    assert -1 < proposal.floor < proposal.ceiling < 1
    assert f"{proposal.floor:.2f}, so that scores 0" in proposal.sentence


def test_it_is_measured_in_parts_and_saved_on_a_click(owner, library):
    assert "Calibrate its scores" in owner.get(page(library, "change")).content.decode()
    part = {}
    for _each in range(10):
        part = measure(owner, library, {name: part.get(name, []) for name in ("fitting", "unrelated")}).json()
        if "proposal" in part:
            break
    library.refresh_from_db()
    assert library.score_ceiling == 0.8

    owner.post(page(library, "calibrate_save"), {name: part["proposal"][name] for name in ("floor", "ceiling")})

    library.refresh_from_db()
    assert (library.score_floor, library.score_ceiling) == (part["proposal"]["floor"], part["proposal"]["ceiling"])
    assert AuditEntry.objects.get(verb="calibrated").changes["score_ceiling"] == library.score_ceiling


def test_what_cannot_be_measured_or_saved_is_said(owner, library):
    chat = AIModel.objects.filter(purpose="chat").first()
    assert chat is not None
    assert "makes no embeddings" in measure(owner, chat, {}).json()["detail"]
    assert "no measurements" in measure(owner, library, {"fitting": ["x"]}).json()["detail"]
    for floor, ceiling in ((0.5, 0.2), (0.1, 3), (float("nan"), 1)):
        with pytest.raises(InvalidInput):
            calibration.save(library, floor=floor, ceiling=ceiling)
    with pytest.raises(Conflict, match="hardly tells apart"):
        calibration.propose(Measured((0.5,) * 20, (0.5,) * 20))
    with pytest.raises(Conflict, match="Only 3 pairs"):
        calibration.propose(Measured((0.5,) * 3, (0.1,) * 3))


def test_without_documents_it_says_what_to_do(owner, db):
    model = factories.local_embedding()

    assert "sync sources with several documents first" in measure(owner, model, {}).json()["detail"]
    Provider.objects.update(is_active=False)
    assert "Switch the model and its provider on" in measure(owner, model, {}).json()["detail"]


def test_the_command_proposes_and_saves_only_when_told(library):
    out = StringIO()
    call_command("calibrate", library.slug, stdout=out)
    library.refresh_from_db()
    assert library.score_ceiling == 0.8
    assert "Nothing is changed" in out.getvalue()

    call_command("calibrate", library.slug, "--save", stdout=out)
    library.refresh_from_db()
    assert library.score_ceiling != 0.8
    with pytest.raises(CommandError, match="no active model"):
        call_command("calibrate", "nobody")

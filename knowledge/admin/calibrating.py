"""“Calibrate” on the page of an embedding model: measured in parts that a bar shows, proposed, and saved on a click."""

from __future__ import annotations

from typing import Annotated

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect, JsonResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from pydantic import BaseModel, Field
from pydantic import ValidationError as ShapeError

from knowledge import calibration
from knowledge.calibration import PAIRS, Measured
from magnet.admin.base import ObjectPage
from magnet.admin.model_boxes import ModelBox, brings_model_box
from magnet.errors import Conflict, InvalidInput
from magnet.models import AIModel

Cosines = Annotated[list[Annotated[float, Field(ge=-1.01, le=1.01)]], Field(max_length=2 * PAIRS)]


class SoFar(BaseModel):
    """What earlier parts have measured: the page keeps it, and nothing is stored before somebody saves."""

    fitting: Cosines = []
    unrelated: Cosines = []


def measure(request: HttpRequest, model: AIModel) -> HttpResponseBase:
    """One part more; with a proposal when it was the last."""
    usable = AIModel.objects.for_use().filter(pk=model.pk).first()
    if usable is None:
        raise Conflict(_("Switch the model and its provider on first."))
    part = calibration.measure(usable)
    measured = _so_far(request).and_(part)
    done = {"fitting": measured.fitting, "unrelated": measured.unrelated, "done": len(measured.unrelated), "of": PAIRS}
    if not (measured.is_enough or part.is_all):
        return JsonResponse(done)
    proposal = calibration.propose(measured)
    told = {"floor": proposal.floor, "ceiling": proposal.ceiling, "sentence": proposal.sentence}
    return JsonResponse({**done, "proposal": told})


def _so_far(request: HttpRequest) -> Measured:
    try:
        sent = SoFar.model_validate_json(request.body or b"{}")
    except ShapeError as error:
        raise InvalidInput(_("These are no measurements. Reload the page, and begin again.")) from error
    return Measured(tuple(sent.fitting), tuple(sent.unrelated))


def save(request: HttpRequest, model: AIModel) -> HttpResponseBase:
    try:
        floor, ceiling = (float(request.POST.get(name, "")) for name in ("floor", "ceiling"))
    except ValueError as error:
        raise InvalidInput(_("Measure first; then there is something to save.")) from error
    calibration.save(model, floor=floor, ceiling=ceiling)
    said = _("“%(name)s” is calibrated: a cosine of %(floor).2f scores 0, one of %(ceiling).2f scores 1.")
    messages.success(request, said % {"name": model.name, "floor": floor, "ceiling": ceiling})
    return HttpResponseRedirect(reverse("admin:magnet_aimodel_change", args=[model.pk]))


@brings_model_box(
    ObjectPage("calibrate", measure, "change", ("POST",)),
    ObjectPage("calibrate-save", save, "change", ("POST",)),
)
def calibrate_box(request: HttpRequest, model: AIModel) -> ModelBox | None:
    if model.purpose != AIModel.Purpose.EMBEDDING or not request.user.has_perm("magnet.change_aimodel"):
        return None
    return ModelBox("knowledge/calibrate.html")

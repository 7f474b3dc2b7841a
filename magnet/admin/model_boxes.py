"""What upper floors bring to the page of a model: boxes below its form, and the pages that these lead to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest

from magnet.admin.base import ObjectPage
from magnet.models import AIModel


@dataclass(frozen=True)
class ModelBox:
    """`context` is what its template reads, as `box.context`."""

    template: str
    context: dict[str, Any] = field(default_factory=dict)


Bring = Callable[[HttpRequest, AIModel], ModelBox | None]
_bringers: list[Bring] = []
_pages: list[ObjectPage] = []


def brings_model_box(*pages: ObjectPage) -> Callable[[Bring], Bring]:
    """One box, or none for models that it says nothing about; with the pages of its buttons."""

    def remember(bring: Bring) -> Bring:
        _bringers.append(bring)
        _pages.extend(pages)
        return bring

    return remember


def model_boxes(request: HttpRequest, model: AIModel) -> list[ModelBox]:
    return [box for bring in _bringers if (box := bring(request, model)) is not None]


def model_pages() -> Sequence[ObjectPage]:
    return tuple(_pages)

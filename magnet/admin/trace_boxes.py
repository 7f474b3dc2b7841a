"""What upper floors show on the page of a trace: boxes between what was answered and what it took."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest

from magnet.models import Trace


@dataclass(frozen=True)
class Box:
    """`context` is what its template reads, as `box.context`."""

    template: str
    context: dict[str, Any] = field(default_factory=dict)


Bring = Callable[[HttpRequest, Trace], Box | None]
_bringers: list[Bring] = []


def brings_box(bring: Bring) -> Bring:
    """One box, or none for traces that it says nothing about."""
    _bringers.append(bring)
    return bring


def boxes_of(request: HttpRequest, trace: Trace) -> list[Box]:
    return [box for bring in _bringers if (box := bring(request, trace)) is not None]

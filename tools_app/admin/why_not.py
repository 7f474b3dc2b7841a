"""“Why not this document?” on the page of a trace."""

from __future__ import annotations

from django.http import HttpRequest

from magnet.admin.trace_boxes import Box, brings_box
from magnet.models import Span, Trace
from tools_app.recorded import SEARCH


@brings_box
def why_not_box(request: HttpRequest, trace: Trace) -> Box | None:
    """Where sources were searched; it asks the very API that callers ask."""
    if not Span.objects.filter(trace=trace, name=SEARCH).exists():
        return None
    return Box("tools_app/why_not.html", {"trace_id": str(trace.pk)})

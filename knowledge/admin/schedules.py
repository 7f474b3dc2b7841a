"""When a source looks for changes, in words."""

from __future__ import annotations

from cron_descriptor import FormatException, Options, get_description
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.utils.translation import gettext as _

from knowledge.models import KnowledgeSource

IN_24_HOURS = Options()
IN_24_HOURS.use_24hour_time_format = True


def schedule_in_words(source: KnowledgeSource) -> str:
    if source.schedule == KnowledgeSource.Schedule.CRON:
        return f"{cron_in_words(source.cron)} ({source.time_zone})"
    return str(source.get_schedule_display())


def cron_in_words(cron: str) -> str:
    """“At 06:00, Monday through Friday”; a sentence that says so when it is none."""
    try:
        return str(get_description(cron, IN_24_HOURS))
    except (FormatException, ValueError, IndexError):
        return _("This is not a cron expression. An example: 0 6 * * 1-5.")


def explain_cron(request: HttpRequest) -> HttpResponseBase:
    return JsonResponse({"sentence": cron_in_words(request.GET.get("cron", "")[:100])})

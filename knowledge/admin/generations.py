"""The tab “Index” of a source: what serves, what its settings ask for, what is being built, and the undo."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect, JsonResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from knowledge import forecast, hnsw, ledger, reindex
from knowledge.admin.compare import compare_page, side_by_side_page
from knowledge.admin.progress import spoken_time, stuck_sentence
from knowledge.chunkers import chunker_kind
from knowledge.metadata_fields import mapping_of
from knowledge.models import KnowledgeIndex, KnowledgeSource
from magnet.admin.base import ObjectPage
from magnet.errors import Conflict
from magnet.templatetags.magnet_admin import money, thousands

if TYPE_CHECKING:
    from knowledge.admin.sources import KnowledgeSourceAdmin

STAGES = {
    "building": gettext_lazy("Being built"),
    "paused": gettext_lazy("Paused"),
    "failed": gettext_lazy("Stopped"),
    "ready": gettext_lazy("Ready"),
    "switching": gettext_lazy("Taking over"),
    "live": gettext_lazy("Serves"),
    "retired": gettext_lazy("Replaced"),
    "cancelled": gettext_lazy("Given up"),
}
DONE = {
    "pause": gettext_lazy("Paused. What is built stays."),
    "resume": gettext_lazy("It goes on."),
    "cancel": gettext_lazy("Given up. What served before serves on."),
    "switch": gettext_lazy("Switched: the new index serves, or does in a moment. You can undo it for a while."),
}


def pages_of(admin: KnowledgeSourceAdmin) -> Sequence[ObjectPage]:
    """The pages and buttons of the tab, each with the source as its object."""
    verbs = {"pause": reindex.pause, "resume": reindex.resume, "cancel": reindex.cancel, "switch": reindex.switch}

    def button(name: str) -> ObjectPage:
        def press(request: HttpRequest, source: Any) -> HttpResponseBase:
            verbs[name](building_of(source))
            messages.success(request, DONE[name])
            return back(admin, source)

        return ObjectPage(f"index-{name}", press, "change", ("POST",))

    return (
        ObjectPage("index", lambda request, source: index_page(admin, request, source)),
        ObjectPage("index-progress", progress),
        ObjectPage("index-start", lambda request, source: start(admin, request, source), "change", ("POST",)),
        ObjectPage("index-undo", lambda request, source: undo(admin, request, source), "change", ("POST",)),
        *(button(name) for name in verbs),
        ObjectPage(
            "index-compare", lambda request, source: compare_page(admin, request, source), "view", ("GET", "POST")
        ),
        ObjectPage("index-side-by-side", lambda request, source: side_by_side_page(admin, request, source)),
    )


# -- The page ----------------------------------------------------------------------------------------------------


def index_page(admin: KnowledgeSourceAdmin, request: HttpRequest, source: Any) -> HttpResponseBase:
    live, building = source.live_index, source.building_index
    is_wish = wants_reindex(source) and building is None
    expected = forecast.of_reindex(source, live) if is_wish else None
    old = reindex.undoable(source)
    return admin.page(
        request, source, "knowledge/source_index.html", tab="index", source=source, live=live, building=building,
        serves=settings_of(live) if live else [], is_wish=is_wish, differences=differences(source, live),
        forecast=forecast_facts(expected) if expected else [], is_large=expected is not None and expected.is_large,
        stage=stage_label(building) if building else "", progress=progress_of(building) if building else None,
        changes=changes_between(live, building) if live and building else [],
        old=old if building is None else None, until=reindex.undo_until(old) if old else None,
        back_to=settings_of(old) if old else [],
        generations=[(each, stage_label(each)) for each in source.indexes.select_related("embedding_model")[:10]],
    )  # fmt: skip


def wants_reindex(source: KnowledgeSource) -> bool:
    """Whether documents are indexed with other settings than the source has now."""
    live = source.live_index
    return live is not None and live.ledger.exists() and ledger.wants_another(source, live)


def stage_label(index: KnowledgeIndex) -> str:
    if index.stage == "building" and index.has_served:
        return _("Catching up")
    return str(STAGES[index.stage])


def settings_of(row: KnowledgeSource | KnowledgeIndex) -> list[tuple[str, str]]:
    """What chunks are made with, in words: (setting, value)."""
    kind, values = ledger.cut_of(row)
    chunker = chunker_kind(kind)
    titles = {name: field.title or name.replace("_", " ") for name, field in chunker.Config.model_fields.items()}
    cut = [(titles.get(name, name), str(value)) for name, value in values.items()]
    language = row.language or _("found out for each document")
    context = str(row.context_model) if row.context_model else _("none")
    return [
        (_("Embedding model"), str(row.embedding_model)), (_("Cut by"), chunker.label), *cut,
        (_("Lines of context by"), context), (_("Language"), language), (_("Metadata for filters"), mapped(row)),
    ]  # fmt: skip


def mapped(row: KnowledgeSource | KnowledgeIndex) -> str:
    fields = mapping_of(row.metadata_fields)
    return ", ".join(f"{field.name} ({field.type})" for field in fields) or _("all, as the source gives it")


def differences(source: KnowledgeSource, live: KnowledgeIndex | None) -> list[tuple[str, str, str]]:
    """What differs between a generation and the wish: (setting, value that serves, value that is wanted)."""
    return _differing(live, source) if live else []


def changes_between(live: KnowledgeIndex, building: KnowledgeIndex) -> list[tuple[str, str, str]]:
    return _differing(live, building)


def _differing(
    before: KnowledgeSource | KnowledgeIndex, after: KnowledgeSource | KnowledgeIndex
) -> list[tuple[str, str, str]]:
    old, new = dict(settings_of(before)), dict(settings_of(after))
    names = list(dict.fromkeys([*old, *new]))
    return [(name, old.get(name, "–"), new.get(name, "–")) for name in names if old.get(name) != new.get(name)]


def forecast_facts(expected: forecast.Forecast) -> list[tuple[str, str]]:
    tokens, seconds = expected.tokens, expected.seconds
    cost = [money(each) for each in expected.cost]
    lines = between(*map(thousands, expected.context_tokens))
    nothing = _("none: all vectors are used again")
    return [
        (_("Documents"), thousands(expected.documents)),
        (_("Tokens to embed"), between(thousands(tokens[0]), thousands(tokens[1])) if tokens[1] else nothing),
        *([(_("Tokens for lines of context"), lines)] if any(expected.context_tokens) else []),
        (_("Cost"), between(*cost) if any(expected.cost) else _("free with this model")),
        *(
            [(_("Of that, lines of context"), between(*map(money, expected.context_cost)))]
            if any(expected.context_cost)
            else []
        ),
        (_("Time"), between(spoken_time(seconds[0]), spoken_time(seconds[1]))),
    ]


def between(least: str, most: str) -> str:
    return least if least == most else _("%(least)s to %(most)s") % {"least": least, "most": most}


# -- Progress ----------------------------------------------------------------------------------------------------


def progress(request: HttpRequest, source: Any) -> HttpResponseBase:
    """The generation under construction, polled each second; null when there is none."""
    index = source.building_index
    return JsonResponse({"index": progress_of(index) if index else None})


def progress_of(index: KnowledgeIndex) -> dict[str, Any]:
    is_awaited = index.stage == "ready" and hnsw.is_awaited(index)
    return {
        "id": index.pk,
        "stage": index.stage,
        "label": stage_label(index),
        "percent": index.percent,
        "is_stuck": index.looks_stuck,
        "is_awaited": is_awaited,
        "sentence": sentence(index, is_awaited=is_awaited),
    }


def sentence(index: KnowledgeIndex, *, is_awaited: bool) -> str:
    if index.looks_stuck:
        return stuck_sentence()
    if index.error and not index.is_paused:
        return f"{index.error} {index.next_try}".strip()
    if is_awaited:
        return _("Every document is in it. Its vector index is being built, without which searches are slow.")
    if index.stage == "ready":
        return _("Every document is in it. Compare the two, then switch. Changes of documents go to both meanwhile.")
    counted = _("%(done)s of %(all)s documents") % {"done": f"{index.done:,}", "all": f"{index.to_do:,}"}
    parts = [counted]
    if index.stage == "building" and index.documents_per_second:
        parts.append(_("%(rate).1f a second") % {"rate": index.documents_per_second})
    if index.stage == "building" and index.seconds_left:
        parts.append(_("about %(time)s left") % {"time": spoken_time(index.seconds_left)})
    return " · ".join(parts)


# -- Buttons -----------------------------------------------------------------------------------------------------


def start(admin: KnowledgeSourceAdmin, request: HttpRequest, source: Any) -> HttpResponseBase:
    index = reindex.start(source)
    said = _("Generation %(n)d is being built. Everything goes on with the present one meanwhile.")
    messages.success(request, said % {"n": index.number})
    return back(admin, source)


def undo(admin: KnowledgeSourceAdmin, request: HttpRequest, source: Any) -> HttpResponseBase:
    live = source.live_index
    if live is None:
        raise Conflict(_("Nothing serves, so there is nothing to undo."))
    old = reindex.undo(live)
    messages.success(request, _("Generation %(n)d serves again, as soon as it has caught up.") % {"n": old.number})
    return back(admin, source)


def building_of(source: KnowledgeSource) -> KnowledgeIndex:
    index = source.building_index
    if index is None:
        raise Conflict(_("No generation is under construction any more. Look at the page again."))
    return index


def back(admin: KnowledgeSourceAdmin, source: Any) -> HttpResponseBase:
    return HttpResponseRedirect(admin.url_of(source, "index"))

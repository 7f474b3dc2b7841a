"""What things are called that a trace names by slug or number: each floor brings the names of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from magnet.models import AIModel, PromptTemplate, Trace


@dataclass(frozen=True)
class Name:
    """What people call a thing, and its page; no address for what has none."""

    label: str
    url: str = ""


Bring = Callable[[Iterable[Any]], Mapping[Any, Name]]
_bringers: dict[str, Bring] = {}

# What kind of work a trace is about, and whose names its slugs are.
FEATURES: dict[str, tuple[Any, str]] = {
    "agent": (gettext_lazy("Agent"), "agent"),
    "rag_tool": (gettext_lazy("RAG tool"), "rag_tool"),
    "retrieval_tool": (gettext_lazy("Retrieval tool"), "retrieval_tool"),
    "api_tool": (gettext_lazy("API tool"), "api_tool"),
    "mcp_tool": (gettext_lazy("MCP tool"), "mcp_tool"),
    "prompt_template": (gettext_lazy("Prompt template"), "prompt_template"),
    "model": (gettext_lazy("Model"), "model"),
    "search": (gettext_lazy("Search"), "source"),
    "sync": (gettext_lazy("Sync"), "source"),
    "reindex": (gettext_lazy("Re-index"), "source"),
    "comparison": (gettext_lazy("Comparison of indexes"), "source"),
    "calibration": (gettext_lazy("Calibration"), "model"),
    "preview": (gettext_lazy("Preview"), ""),
    "explain": (gettext_lazy("Explanation"), ""),
    "other": (gettext_lazy("Other work"), ""),
}


def brings_names(kind: str) -> Callable[[Bring], Bring]:
    """Names of one kind of thing, by what a trace knows of them; one statement for any number of them."""

    def remember(bring: Bring) -> Bring:
        _bringers[kind] = bring
        return bring

    return remember


def names(kind: str, keys: Iterable[Any]) -> Mapping[Any, Name]:
    """The names that are known; what was deleted since is left out."""
    wanted, bring = set(keys), _bringers.get(kind)
    return bring(wanted) if bring and wanted else {}


def feature_in_words(feature: str) -> str:
    words, _kind = FEATURES.get(feature, (feature.replace("_", " ").capitalize(), ""))
    return str(words)


def tools_of(traces: Iterable[Trace]) -> dict[tuple[str, str], Name]:
    """The tool of each trace by (feature, slug), with its name where it still has one."""
    asked = {(trace.feature, trace.slug) for trace in traces}
    found: dict[tuple[str, str], Name] = {}
    for kind in {FEATURES.get(feature, ("", ""))[1] for feature, _slug in asked} - {""}:
        mine = {(feature, slug) for feature, slug in asked if FEATURES.get(feature, ("", ""))[1] == kind}
        by_slug = names(kind, {slug for _feature, slug in mine if slug})
        found |= {(feature, slug): by_slug.get(slug, Name(slug)) for feature, slug in mine}
    return {key: found.get(key, Name(key[1])) for key in asked}


# -- What took part in an answer -----------------------------------------------------------------------------------


def parts_in_words(versions: Mapping[str, Any]) -> list[tuple[str, list[Name]]]:
    """The versions of a trace as people say them: “Help, generation 1”, “Ask the handbook, version 3”."""
    said: list[tuple[str, list[Name]]] = []
    for kind, part in versions.items():
        label = feature_in_words(kind)
        if kind == "indexes" and isinstance(part, Mapping):
            said.append((_("Searched"), _generations(part)))
        elif isinstance(part, Mapping) and "slug" in part:
            said.append((label, [_version(kind, part)]))
        else:
            said.append((label, [Name(str(part))]))
    return said


def _generations(indexes: Mapping[str, Any]) -> list[Name]:
    sources = names("source", indexes)
    found = []
    for slug, index in indexes.items():
        source = sources.get(slug, Name(slug))
        number = index.get("generation") if isinstance(index, Mapping) else None
        label = _("%(name)s, generation %(n)s") % {"name": source.label, "n": number} if number else source.label
        found.append(Name(label, source.url))
    return found


def _version(kind: str, part: Mapping[str, Any]) -> Name:
    slug = str(part["slug"])
    named = names(kind, [slug]).get(slug, Name(slug))
    number = part.get("version")
    return Name(_("%(name)s, version %(n)s") % {"name": named.label, "n": number} if number else named.label, named.url)


@brings_names("model")
def model_names(slugs: Iterable[Any]) -> dict[Any, Name]:
    rows = AIModel.objects.filter(slug__in=slugs).only("pk", "slug", "name")
    return {row.slug: Name(row.name, reverse("admin:magnet_aimodel_change", args=[row.pk])) for row in rows}


@brings_names("prompt_template")
def template_names(slugs: Iterable[Any]) -> dict[Any, Name]:
    rows = PromptTemplate.objects.filter(slug__in=slugs).only("pk", "slug", "name")
    return {row.slug: Name(row.name, reverse("admin:magnet_prompttemplate_change", args=[row.pk])) for row in rows}

"""A trace told plainly: what was asked, what was answered, on which passages, and what that took."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from magnet.admin.naming import Name, names
from magnet.admin.payloads import Known, passage_of
from magnet.kept_passages import CHANGED, DELETED, UNCHANGED, KeptPassage, of_spans
from magnet.models import Analysis, Span, Trace

CITATION = re.compile(r"\[(\d{1,3})\]")
# The steps that hold the text as the caller got it.
FINAL = ("check citations", "nothing found")
# What spans are called in the code, and what staff read.
STEPS = {
    "retrieve": gettext_lazy("Search the sources"),
    "stages": gettext_lazy("Find passages, stage by stage"),
    "choose passages": gettext_lazy("Choose the passages that fit"),
    "check citations": gettext_lazy("Check the citations"),
    "support": gettext_lazy("Hold each sentence against what it cites"),
    "support by a model": gettext_lazy("Let a model judge the sentences"),
}
STATES = {
    UNCHANGED: gettext_lazy("The document still reads as it did then."),
    CHANGED: gettext_lazy("The document has changed since. This is its text as it was cited."),
    DELETED: gettext_lazy("The document was deleted since, and its text went with it."),
}
NOT_KEPT = gettext_lazy("The text of this passage was not kept, or its time is over.")


@dataclass(frozen=True)
class Story:
    """`passages` in the order of their numbers; `is_removed` where a deleted document took the texts with it."""

    question: str
    answer: SafeString | None
    passages: tuple[dict[str, Any], ...]
    is_removed: bool
    # Why nothing was found, in one sentence; empty where something was, or nobody knows any more.
    why_nothing: str = ""
    # Who held the sentences against their passages, and how many did not stand; empty where nobody did.
    checked: str = ""


def story_of(trace: Trace, spans: Sequence[Span], *, later: Analysis | None = None, is_hidden: bool = False) -> Story:
    """`later` is what was found out afterwards; of an answer that is hidden not even its documents are named."""
    question, answer = trace.summary, ""
    is_checked = False
    for span in spans:
        given, got = in_and_out(span)
        question = str(given.get("question") or given.get("query") or question)
        # What models said before it was on the way there, and what they said after it judges it.
        if (span.kind == Span.Kind.CHAT and not is_checked) or span.name in FINAL:
            answer = str(got.get("text") or answer)
            is_checked = span.name in FINAL
    check = check_of(spans, later)
    shown = [] if is_hidden else [shown_passage(passage) for passage in of_spans(trace, spans)]
    numbers = {passage["number"] for passage in shown}
    return Story(
        question,
        with_links(answer, numbers, check) if answer else None,
        tuple(shown),
        is_removed=any(map(is_blanked, spans)),
        why_nothing="" if shown or answer else why_nothing(spans),
        checked=check.in_words() if answer else "",
    )


def shown_passage(passage: KeptPassage) -> dict[str, Any]:
    row = passage_of(passage.kept or {"number": passage.number, "document": passage.document})
    is_deleted = passage.state == DELETED
    return {
        **row,
        "title": row["title"] or (_("A document that was deleted") if is_deleted else _("A document")),
        "url": "" if is_deleted else row["url"],
        "is_cited": passage.is_cited,
        "state": passage.state,
        "since": passage.since,
        "said": STATES.get(passage.state, "") if passage.kept or is_deleted else NOT_KEPT,
    }


def why_nothing(spans: Sequence[Span]) -> str:
    """What the search weighed, and how far the best of it fell short of what the tool asks for."""
    asked = max((asked_for(span) for span in spans), default=0.0)
    for span in spans:
        given, got = in_and_out(span)
        if "minimum_score" in given and "candidates" in got:
            return shortfall(got, asked=max(asked, float(given["minimum_score"] or 0)))
    return ""


def asked_for(span: Span) -> float:
    """The least score that the stages of a tool ask for."""
    _given, got = in_and_out(span)
    stages = [stage for stage in got.get("stages") or () if stage.get("name") == "minimum_score"]
    return float((stages[0].get("setting") or {}).get("minimum_score") or 0) if stages else 0.0


def shortfall(got: dict[str, Any], *, asked: float) -> str:
    rows, columns = got.get("candidates") or [], got.get("columns") or []
    if not rows:
        return _("No passage of the sources shares words or meaning with the question.")
    at = columns.index("score") if "score" in columns else -1
    best = max((row[at] for row in rows if 0 <= at < len(row) and isinstance(row[at], int | float)), default=0.0)
    if best >= asked:
        return ""
    one = "%(n)d passage was weighed; it scored %(best)s, and the tool asks for at least %(asked)s."
    many = "%(n)d passages were weighed; the best scored %(best)s, and the tool asks for at least %(asked)s."
    # As figures never say that 0.10 falls short of 0.10.
    figures = 2 if f"{best:.2f}" != f"{asked:.2f}" else 4
    said = {"n": len(rows), "best": f"{best:.{figures}f}", "asked": f"{asked:.{figures}f}"}
    return ngettext(one, many, len(rows)) % said


def in_and_out(span: Span) -> tuple[dict[str, Any], dict[str, Any]]:
    payload = getattr(span, "payload", None)
    given, got = (payload.input, payload.output) if payload else (None, None)
    return given if isinstance(given, dict) else {}, got if isinstance(got, dict) else {}


def is_blanked(span: Span) -> bool:
    return bool(getattr(span, "payload", None) and span.payload.is_blanked)  # type: ignore[attr-defined]  # one to one


@dataclass(frozen=True)
class Check:
    """The sentences of an answer as the last of its checks found them, and which check that was."""

    sentences: Sequence[Any] = ()
    by: Any = ""

    def in_words(self) -> str:
        if not self.sentences:
            return ""
        open_ones = sum(sentence.get("supported") is False for sentence in self.sentences)
        one = "%(n)d sentence is not supported by what it cites."
        many = "%(n)d sentences are not supported by what they cite."
        found = ngettext(one, many, open_ones) % {"n": open_ones} if open_ones else _("No sentence stands out.")
        return f"{self.by} {found}"


def check_of(spans: Sequence[Span], later: Analysis | None) -> Check:
    """A model that judged in the background has the last word."""
    if later is not None and later.sentences:
        return Check(later.sentences, _("Checked by a model afterwards."))
    kept = [in_and_out(span)[1].get("sentences") for span in spans if span.name == "support"]
    if not (kept and kept[-1]):
        return Check()
    is_judged = any(each.name == "support by a model" and each.status == Trace.Status.OK for each in spans)
    by_words = _("Checked by words and meaning, at once.")
    return Check(kept[-1], _("Checked by a model before the answer was complete.") if is_judged else by_words)


def with_links(text: str, numbers: set[Any], check: Check) -> SafeString:
    """The answer as text: citations lead to the passages below it, what they do not bear out is underlined."""

    def link(match: re.Match[str]) -> str:
        number = int(match[1])
        return f'<a class="mg-cite" href="#passage-{number}">{number}</a>' if number in numbers else match[0]

    # Only what this function wrote itself is markup: the text was escaped before.
    parts: list[str] = []
    at = 0
    for sentence in unsupported(check.sentences, until=len(text)):
        said = mark_safe(CITATION.sub(link, escape(said_in(text, sentence))))  # noqa: S308
        why = " ".join(filter(None, (_("Not supported by what it cites."), sentence.get("reason"), str(check.by))))
        parts.append(CITATION.sub(link, escape(text[at : sentence["start"]])))
        parts.append(format_html('<span class="mg-unsupported" tabindex="0" title="{}">{}</span>', why, said))
        at = sentence["end"]
    parts.append(CITATION.sub(link, escape(text[at:])))
    return mark_safe("".join(parts))  # noqa: S308


def said_in(text: str, sentence: dict[str, Any]) -> str:
    return text[sentence["start"] : sentence["end"]]


def unsupported(sentences: Sequence[Any], *, until: int) -> Iterable[dict[str, Any]]:
    """In their order, and none that overlaps another or lies outside of the text."""
    at = 0
    for sentence in sentences:
        if sentence.get("supported") is False and at <= sentence["start"] < sentence["end"] <= until:
            yield sentence
            at = sentence["end"]


# -- What it took --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tokens:
    """What the language model read and wrote, and apart from it what was turned into vectors for searching."""

    read: int = 0
    written: int = 0
    search: int = 0

    @property
    def of_model(self) -> int:
        return self.read + self.written


def tokens_of(spans: Iterable[Span]) -> Tokens:
    read = written = search = 0
    for span in spans:
        if span.kind == Span.Kind.CHAT:
            read, written = read + span.input_tokens, written + span.output_tokens
        else:
            search += span.input_tokens + span.output_tokens
    return Tokens(read, written, search)


# -- Names ---------------------------------------------------------------------------------------------------------


def known_to(spans: Sequence[Span]) -> Known:
    """The names of all chunks, sources and models in these spans, in one statement each."""
    chunks: set[Any] = set()
    sources: set[Any] = set()
    numbers: dict[Any, Any] = {}
    for span in spans:
        _given, got = in_and_out(span)
        columns, rows = got.get("columns") or [], got.get("candidates") or []
        for name, found in (("chunk_id", chunks), ("source", sources)):
            if name in columns:
                at = columns.index(name)
                found.update(row[at] for row in rows if len(row) > at and isinstance(row[at], int | str))
        numbers |= {item.get("chunk_id"): item.get("number") for item in got.get("passages") or []}
    models = names("model", {span.model for span in spans if span.model})
    return Known(names("chunk", chunks), names("source", sources), models, numbers)


def step_name(span: Span, known: Known) -> str:
    """“Write the answer · GPT-5 mini” instead of “chat gpt-5-mini”."""
    model = known.models.get(span.model, Name(span.model)).label
    if span.kind == Span.Kind.CHAT and span.model:
        return _("Write the answer · %(model)s") % {"model": model}
    if span.kind == Span.Kind.EMBEDDING and span.model:
        what = _("Turn texts into vectors") if span.attributes.get("purpose") == "document" else _("Read the question")
        return f"{what} · {model}"
    return str(STEPS.get(span.name, span.name))

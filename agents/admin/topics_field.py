"""Topics as cards of a form, with their actions as rows: a person chooses tools by name and writes no JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic_core import from_json, to_json

from agents.models import targets
from agents.models.targets import Target
from agents.topic_parts import proved
from magnet.errors import InvalidInput

TOPIC = ("key", "name", "description", "instructions")
# Empty, yes and no: the columns of a choice of three.
ASKS = (
    ("", gettext_lazy("When it can change something")),
    ("yes", gettext_lazy("Always")),
    ("no", gettext_lazy("Never")),
)
ASKED = {None: "", True: "yes", False: "no"}
CELL = re.compile(r"(\d{1,4})-(?:actions-(\d{1,4})-)?(\w+)")
PLACE = re.compile(r"topics\.(\d+)(?:\.actions\.(\d+))?(?:\.(\w+))?")


class TopicsWidget(forms.Widget):
    """Inputs named `<field>-<topic>-<name>` and `<field>-<topic>-actions-<row>-<name>`; the last row is empty."""

    template_name = "agents/topics.html"

    class Media:
        js = (forms.Script("agents/topics.js", type="module"),)
        css: dict[str, tuple[str, ...]] = {"all": ("agents/agents.css",)}

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context(name, value, attrs)
        topics = list(value or [{}])
        context["widget"] |= {
            "topics": [_shown(topic) for topic in topics],
            "empty": _shown({}),
            "asks": ASKS,
            "offered": _grouped(targets.offered()),
        }
        return context

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> list[dict[str, Any]]:
        topics: dict[int, dict[str, Any]] = {}
        actions: dict[int, dict[int, dict[str, str]]] = {}
        for key in data:
            match = CELL.fullmatch(key.removeprefix(f"{name}-")) if key.startswith(f"{name}-") else None
            if match is None:
                continue
            topic = topics.setdefault(int(match[1]), {})
            if match[2] is None:
                topic[match[3]] = data[key]
            else:
                actions.setdefault(int(match[1]), {}).setdefault(int(match[2]), {})[match[3]] = data[key]
        return [
            _read(topic, [row for _place, row in sorted(actions.get(place, {}).items())])
            for place, topic in sorted(topics.items())
            if any(topic.get(column, "").strip() for column in TOPIC)
        ]

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        return False


class TopicsField(forms.Field):
    """Its value is the list of topics as versions take it, with a key for each."""

    def __init__(self) -> None:
        super().__init__(
            widget=TopicsWidget(),
            required=False,
            label=gettext_lazy("Topics"),
            help_text=gettext_lazy(
                "What people may come with. The descriptions decide which topic a message belongs to; each topic has "
                "instructions of its own and the tools that it may use. Variables stand in braces, such as {customer}."
            ),
        )

    def clean(self, value: list[dict[str, Any]]) -> list[dict[str, Any]]:
        try:
            plain = [{**topic, "actions": [_typed(row) for row in topic["actions"]]} for topic in value]
            return [topic.model_dump(mode="json") for topic in proved(plain)]
        except InvalidInput as error:
            raise ValidationError(in_words(error, value)) from error

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool(self.clean(data) != list(initial or []))
        except ValidationError:
            return True


def in_words(error: InvalidInput, topics: Sequence[Mapping[str, Any]]) -> list[str]:
    """The faults of topics, with the names of these in place of their numbers."""
    told = []
    for place, said in error.extra.get("errors", {}).items():
        match = PLACE.match(place)
        name = topics[int(match[1])].get("name", "") if match and int(match[1]) < len(topics) else ""
        row = _(", action %(n)d") % {"n": int(match[2]) + 1} if match and match[2] else ""
        told += [f"“{name}”{row}: {sentence}" if name else sentence for sentence in said]
    return told or [error.detail]


# -- Rows as they are sent -------------------------------------------------------------------------------------------


def _read(topic: Mapping[str, str], rows: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    actions = [dict(row) for row in rows if row.get("target")]
    return {**{column: topic.get(column, "").strip() for column in TOPIC}, "actions": actions}


def _typed(row: Mapping[str, Any]) -> dict[str, Any]:
    """An action as versions take it. What is no row of a form stays as it is."""
    if "target" not in row:
        return dict(row)
    kind, _colon, slug = row["target"].partition(":")
    return {
        "key": row.get("key", ""),
        "kind": kind,
        "slug": slug,
        "name": row.get("name", "").strip(),
        "description": row.get("description", "").strip(),
        "fixed_arguments": _arguments(row.get("fixed_arguments", "")),
        "default_arguments": _arguments(row.get("default_arguments", "")),
        "needs_confirmation": {"yes": True, "no": False}.get(row.get("needs_confirmation", "")),
        "confirms_untrusted": bool(row.get("confirms_untrusted")),
        "answers_directly": bool(row.get("answers_directly")),
    }


def _arguments(lines: str) -> dict[str, Any]:
    """`name = value`, one a line; a value that is JSON is what it says, anything else a text."""
    found: dict[str, Any] = {}
    for line in filter(None, map(str.strip, lines.splitlines())):
        name, sign, value = (part.strip() for part in line.partition("="))
        if not sign or not name:
            said = _("Write arguments as name = value, one a line; “%(line)s” is none.") % {"line": line[:80]}
            raise InvalidInput(said)
        try:
            found[name] = from_json(value, allow_inf_nan=False)
        except ValueError:
            found[name] = value
    return found


# -- Rows as they are shown ------------------------------------------------------------------------------------------


def _shown(topic: Mapping[str, Any]) -> dict[str, Any]:
    rows = [*topic.get("actions", ()), {}]
    return {**{column: topic.get(column, "") for column in TOPIC}, "actions": [_row(action) for action in rows]}


def _row(action: Mapping[str, Any]) -> dict[str, Any]:
    if "target" in action or not action:
        return dict(action)
    return {
        **action,
        "target": f"{action['kind']}:{action['slug']}",
        "fixed_arguments": as_lines(action["fixed_arguments"]),
        "default_arguments": as_lines(action["default_arguments"]),
        "needs_confirmation": ASKED[action["needs_confirmation"]],
    }


def as_lines(arguments: Mapping[str, Any]) -> str:
    return "\n".join(f"{name} = {_as_text(value)}" for name, value in arguments.items())


def _as_text(value: Any) -> str:
    """As it is read again: a text that would be taken for JSON stands in quotes."""
    if not isinstance(value, str):
        return to_json(value).decode()
    try:
        from_json(value, allow_inf_nan=False)
    except ValueError:
        return value if value == value.strip() and "\n" not in value else to_json(value).decode()
    return to_json(value).decode()


def _grouped(offered: Sequence[Target]) -> list[tuple[str, list[Target]]]:
    kinds: dict[str, list[Target]] = {}
    for target in offered:
        kinds.setdefault(target.label, []).append(target)
    return list(kinds.items())

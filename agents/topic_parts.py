"""The shape of topics and their actions, as people write them: in forms, over the API and in files that move them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any

from django.utils.text import slugify
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter
from pydantic import ValidationError as ShapeError

from magnet.errors import InvalidInput
from magnet.prompt_parts import variables_of
from magnet.shape_faults import sentence

MOST_TOPICS, MOST_ACTIONS = 50, 100
LONGEST_KEY, LONGEST_FUNCTION = 60, 64
# What providers take for the name of a function.
FUNCTION = r"^[A-Za-z_][A-Za-z0-9_-]*$"
# By these names an answer of the model that chooses a topic is told apart from a topic.
RESERVED_KEYS = frozenset({"greeting", "farewell", "unclear", "off_topic", "none"})

Key = Annotated[str, Field(max_length=LONGEST_KEY, pattern=r"^[a-z0-9_-]*$")]


class ActionShape(BaseModel):
    """One use of a tool. Without a `key` and a `name` they are made; `needs_confirmation` null is as the tool says."""

    model_config = ConfigDict(extra="forbid")

    key: Key = ""
    kind: Annotated[str, Field(min_length=1, max_length=50)]
    slug: Annotated[str, Field(min_length=1, max_length=300)]
    # What the model calls it.
    name: Annotated[str, Field(max_length=LONGEST_FUNCTION, pattern=rf"^$|{FUNCTION}")] = ""
    # Empty: as the tool describes itself.
    description: Annotated[str, Field(max_length=4_000)] = ""
    fixed_arguments: dict[str, Any] = {}
    default_arguments: dict[str, Any] = {}
    needs_confirmation: bool | None = None
    confirms_untrusted: bool = False
    answers_directly: bool = False


class TopicShape(BaseModel):
    """What people may come with, and what is done about it."""

    model_config = ConfigDict(extra="forbid")

    key: Key = ""
    name: Annotated[str, Field(min_length=1, max_length=200)]
    description: Annotated[str, Field(max_length=4_000)] = ""
    instructions: Annotated[str, Field(max_length=50_000)] = ""
    actions: Annotated[list[ActionShape], Field(max_length=MOST_ACTIONS)] = []


def _each_named_once(topics: list[TopicShape]) -> list[TopicShape]:
    named = _with_keys(topics)
    _refuse_twice([topic.key for topic in named], what="The topic")
    _refuse_twice([action.key for topic in named for action in topic.actions], what="The action")
    for topic in named:
        if topic.key in RESERVED_KEYS:
            raise ValueError(f"A topic cannot have the key “{topic.key}”.")
        _refuse_twice([action.name for action in topic.actions], what=f"In “{topic.name}”, the function")
    return named


Topics = Annotated[list[TopicShape], Field(min_length=1, max_length=MOST_TOPICS), AfterValidator(_each_named_once)]
_TOPICS: TypeAdapter[list[TopicShape]] = TypeAdapter(Topics)


def proved(topics: Any) -> list[TopicShape]:
    """The topics with a key for each topic and action. Raises InvalidInput naming what does not fit."""
    try:
        return _TOPICS.validate_python(topics)
    except ShapeError as error:
        faults: dict[str, list[str]] = {}
        for fault in error.errors(include_url=False):
            place = ".".join(["topics", *(str(part) for part in fault["loc"])])
            faults.setdefault(place, []).append(sentence(fault))
        raise InvalidInput.in_fields(faults, what="Some topics do not fit") from error


def mentioned(topic: TopicShape) -> frozenset[str]:
    """The variables that stand in braces in the instructions of a topic and in the arguments of its actions."""
    texts = [topic.instructions]
    for action in topic.actions:
        arguments = (*action.fixed_arguments.values(), *action.default_arguments.values())
        texts += [value for value in arguments if isinstance(value, str)]
    return frozenset().union(*(variables_of(text) for text in texts))


# -- Keys ----------------------------------------------------------------------------------------------------------


def _with_keys(topics: list[TopicShape]) -> list[TopicShape]:
    topic_keys = {topic.key for topic in topics if topic.key}
    action_keys = {action.key for topic in topics for action in topic.actions if action.key}
    done = []
    for topic in topics:
        key = topic.key or _free(slugify(topic.name) or "topic", topic_keys)
        actions = [_with_key(action, action_keys) for action in _named(topic.actions)]
        done.append(topic.model_copy(update={"key": key, "actions": actions}))
    return done


def _named(actions: list[ActionShape]) -> list[ActionShape]:
    names = {action.name for action in actions if action.name}
    return [
        action if action.name else action.model_copy(update={"name": _free(function_name(action.slug), names, "_")})
        for action in actions
    ]


def _with_key(action: ActionShape, taken: set[str]) -> ActionShape:
    return action if action.key else action.model_copy(update={"key": _free(slugify(action.name) or "action", taken)})


def function_name(slug: str) -> str:
    """A name that every provider takes: crm/find-order becomes crm_find_order."""
    name = re.sub(r"[^A-Za-z0-9]+", "_", slug).strip("_")
    return name if name and not name[0].isdigit() else f"call_{name}"


def _free(wanted: str, taken: set[str], joint: str = "-") -> str:
    base = wanted[: LONGEST_KEY - 6].strip("-_") or "one"
    key, number = base, 1
    while key in taken or key in RESERVED_KEYS:
        number += 1
        key = f"{base}{joint}{number}"
    taken.add(key)
    return key


def _refuse_twice(names: Iterable[str], *, what: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"{what} “{name}” is there twice.")
        seen.add(name)

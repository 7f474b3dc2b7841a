"""What a topic offers to the model: a function for each action, without the arguments that are none of its business."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agents.actions import ACTIONS, Function
from agents.loading import LoadedAction, LoadedTopic
from magnet.errors import MagnetError, NotFound
from magnet.prompt_parts import PLACEHOLDER, Variable, render, values_for
from tools_app.kinds import ToolDescription

# What a model reads of a description; tools of others may say any amount.
MOST_TOLD = 4_000


@dataclass(frozen=True)
class Variables:
    """The variables of a conversation: as texts, and as they were given."""

    texts: Mapping[str, str]
    values: Mapping[str, Any]

    def filled(self, value: Any) -> Any:
        """An argument with its variables; one that is nothing but a variable keeps that one's type."""
        if isinstance(value, dict):
            return {name: self.filled(part) for name, part in value.items()}
        if isinstance(value, list):
            return [self.filled(part) for part in value]
        if not isinstance(value, str):
            return value
        alone = PLACEHOLDER.fullmatch(value)
        if alone and alone[1] in self.values:
            return self.values[alone[1]]
        return self.filled_text(value)

    def filled_text(self, text: str) -> str:
        return render(text, **self.texts)


def variables_of(declared: tuple[Variable, ...], given: Mapping[str, Any]) -> Variables:
    """Raises InvalidInput naming each variable that is missing or does not fit."""
    texts = values_for(declared, given).texts
    values = {
        variable.name: variable.default if given.get(variable.name) is None else given[variable.name]
        for variable in declared
    }
    return Variables(texts, {name: "" if value is None else value for name, value in values.items()})


@dataclass(frozen=True)
class Offered:
    """An action with what it calls; `function` is None where that cannot be used, and `missing` says why."""

    action: LoadedAction
    function: Function | None
    told: ToolDescription | None
    missing: str = ""

    @property
    def label(self) -> str:
        return self.told.name if self.told else self.action.name

    @property
    def may_change_something(self) -> bool:
        return self.told is not None and not self.told.is_read_only

    @property
    def needs_confirmation(self) -> bool:
        """As the agent says, else as the tool says."""
        wanted = self.action.needs_confirmation
        return self.may_change_something if wanted is None else wanted

    @property
    def schema(self) -> dict[str, Any]:
        return dict(self.told.arguments) if self.told else {"type": "object"}

    def as_tool(self) -> dict[str, Any]:
        """As providers are told of it: fixed arguments are left out, those with a default may be."""
        said = self.action.description or (self.told.description if self.told else "") or self.label
        function = {"name": self.action.name, "description": said[:MOST_TOLD], "parameters": self._parameters()}
        return {"type": "function", "function": function}

    def _parameters(self) -> dict[str, Any]:
        schema = self.schema
        fixed, default = self.action.fixed_arguments, self.action.default_arguments
        properties = {name: part for name, part in (schema.get("properties") or {}).items() if name not in fixed}
        schema["properties"] = properties
        required = [name for name in schema.get("required") or () if name in properties and name not in default]
        return {**schema, "required": required} if required else {k: v for k, v in schema.items() if k != "required"}

    def arguments(self, written: Mapping[str, Any], variables: Variables) -> dict[str, Any]:
        """The arguments that will really be sent."""
        default, fixed = (
            {name: variables.filled(value) for name, value in given.items()}
            for given in (self.action.default_arguments, self.action.fixed_arguments)
        )
        return {**default, **written, **fixed}


async def offer(topic: LoadedTopic | None) -> dict[str, Offered]:
    """The actions of a topic by the names of their functions; what cannot be used stays, and answers with why."""
    actions = topic.actions if topic else ()
    return {action.name: await _offered(action) for action in actions}


async def _offered(action: LoadedAction) -> Offered:
    try:
        if action.kind not in ACTIONS:
            raise NotFound(f"There is no kind of action “{action.kind}”; the plug-in that brought it is gone.")
        function = await ACTIONS[action.kind].load(action.slug)
        return Offered(action, function, function.description())
    except MagnetError as error:
        return Offered(action, None, None, missing=error.detail)

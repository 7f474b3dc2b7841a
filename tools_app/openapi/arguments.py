"""What a call takes, from an operation's parameters and body: one schema of arguments, and where each of them goes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from magnet.errors import InvalidInput
from tools_app.api_auth.base import is_framing
from tools_app.openapi.references import References
from tools_app.openapi.schemas import expanded

# Set by the request itself, so that no caller sets them (OpenAPI 3.1, 4.8.12.2).
OWN_HEADERS = {"accept", "content-type", "authorization", "cookie"}
NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_.-]+")
LONGEST_NAME = 60
# Of a parameter as it is sent, and of all of them together: what is larger is no call that a model could write.
LONGEST_SENT_NAME, MOST_ARGUMENTS = 500, 500
JSON, FORM, MULTIPART = "application/json", "application/x-www-form-urlencoded", "multipart/form-data"
WHOLE_BODY = "body"
STYLES = ("form", "spaceDelimited", "pipeDelimited", "deepObject")
# The keywords of a body that cannot be taken apart into arguments without changing what it allows.
INDIVISIBLE = frozenset({"oneOf", "anyOf", "not", "if", "patternProperties"})


@dataclass
class Arguments:
    """`places` says of each argument: in (path, query, header, cookie, field or body), name, and how it is written."""

    properties: dict[str, Any] = field(default_factory=dict)
    required: list[str] = field(default_factory=list)
    places: dict[str, dict[str, Any]] = field(default_factory=dict)
    body_type: str = ""

    @property
    def schema(self) -> dict[str, Any]:
        return {
            "type": "object",
            "properties": self.properties,
            "required": self.required,
            "additionalProperties": False,
        }

    def add(self, schema: dict[str, Any], place: dict[str, Any], *, is_required: bool) -> None:
        if len(self.properties) >= MOST_ARGUMENTS:
            raise InvalidInput(f"It takes more than {MOST_ARGUMENTS} arguments.")
        if len(place["name"]) > LONGEST_SENT_NAME:
            raise InvalidInput(f"An argument has a name of more than {LONGEST_SENT_NAME} characters.")
        name = self._free_name(str(place["name"]), where=str(place["in"]))
        self.properties[name], self.places[name] = schema, place
        if is_required:
            self.required.append(name)

    def _free_name(self, name: str, *, where: str) -> str:
        """A name that models can write; with its place where two have the same."""
        plain = NOT_IN_A_NAME.sub("_", name).strip("_")[:LONGEST_NAME] or where
        free, number = plain, 1
        while free in self.properties:
            free = f"{plain}_{where}" if number == 1 else f"{plain}_{where}_{number}"
            number += 1
        return free


def arguments_of(
    operation: dict[str, Any], *, shared: Any, references: References, consumes: list[str], path: str
) -> Arguments:
    """Raises InvalidInput for what cannot be sent."""
    made = Arguments()
    parameters = all_parameters(shared, operation.get("parameters"), references)
    for parameter in parameters:
        if parameter.get("in") in ("path", "query", "header", "cookie"):
            add_parameter(made, parameter, references)
    refuse_unfilled(path, made)
    if "requestBody" in operation:
        add_body(made, operation["requestBody"], references)
    else:
        own = [str(name) for name in as_list(operation.get("consumes"))]
        add_old_body(made, parameters, references, own or consumes)
    return made


def all_parameters(shared: Any, own: Any, references: References) -> list[dict[str, Any]]:
    """Those of the path and of the operation, which replaces what has the same name and place."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for parameter in [*as_list(shared), *as_list(own)]:
        resolved = references.resolved(parameter, what="A parameter")
        found[(str(resolved.get("name")), str(resolved.get("in")))] = resolved
    return list(found.values())


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def add_parameter(made: Arguments, parameter: dict[str, Any], references: References) -> None:
    name, where = name_of(parameter), str(parameter["in"])
    if where == "header" and (name.lower() in OWN_HEADERS or is_framing(name)):
        return
    content = parameter.get("content")
    if isinstance(content, dict) and content:
        media = next(iter(content.values()))
        schema, how = expanded(media.get("schema") if isinstance(media, dict) else None, references), {"style": "json"}
    else:
        # Swagger 2 writes the schema into the parameter itself.
        schema = expanded(parameter.get("schema", own_schema(parameter)), references)
        how = style_of(parameter, where=where)
    describe(schema, parameter)
    is_required = where == "path" or parameter.get("required") is True
    made.add(schema, {"in": where, "name": name, **how}, is_required=is_required)


def name_of(parameter: dict[str, Any]) -> str:
    name = parameter.get("name")
    if not isinstance(name, str) or not name:
        raise InvalidInput("A parameter has no name.")
    return name


def own_schema(parameter: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in parameter.items() if key not in ("name", "in", "required", "description")}


def describe(schema: dict[str, Any], parameter: dict[str, Any]) -> None:
    said = parameter.get("description")
    if isinstance(said, str) and said:
        schema["description"] = said[:600]


def style_of(parameter: dict[str, Any], *, where: str) -> dict[str, Any]:
    """How lists and objects are written, where it is not the usual way of the place."""
    old = {"ssv": "spaceDelimited", "pipes": "pipeDelimited", "csv": "form", "tsv": "form"}
    if where not in ("query", "cookie"):
        return {"explode": True} if parameter.get("explode") is True else {}
    if "schema" not in parameter and parameter.get("type") == "array":
        format_ = str(parameter.get("collectionFormat") or "csv")
        return {} if format_ == "multi" else {"style": old.get(format_, "form"), "explode": False}
    style = parameter.get("style")
    if style not in STYLES:
        style = "form"
    is_exploded = parameter.get("explode", style == "form")
    how: dict[str, Any] = {} if style == "form" else {"style": style}
    return how if is_exploded or style == "deepObject" else {**how, "explode": False}


def refuse_unfilled(path: str, made: Arguments) -> None:
    """Every gap of the path has its argument; one that the document forgot is a text."""
    filled = {place["name"] for place in made.places.values() if place["in"] == "path"}
    for name in dict.fromkeys(re.findall(r"{([^{}]+)}", path)):
        if name not in filled:
            made.add({"type": "string"}, {"in": "path", "name": name}, is_required=True)


# -- Bodies --------------------------------------------------------------------------------------------------------


def add_body(made: Arguments, body: Any, references: References) -> None:
    body = references.resolved(body, what="The body")
    content = body.get("content")
    if not isinstance(content, dict) or not content:
        return
    media_type = best_type(content)
    media = content[media_type]
    schema = expanded(media.get("schema") if isinstance(media, dict) else None, references)
    describe_body(schema, body)
    made.body_type = JSON if media_type == "*/*" else media_type
    take_apart(made, schema, is_required=body.get("required") is True)


def describe_body(schema: dict[str, Any], body: dict[str, Any]) -> None:
    if "description" not in schema and isinstance(body.get("description"), str):
        schema["description"] = body["description"][:600]


def best_type(types: Iterable[str]) -> str:
    """The one that we can write, JSON first. Raises InvalidInput where there is none."""
    offered = [str(name) for name in types]
    plain = {name.partition(";")[0].strip().lower(): name for name in offered}
    for is_fine in (is_json, lambda name: name in (FORM, MULTIPART), lambda name: name.startswith("text/")):
        for name, written in plain.items():
            if is_fine(name):
                return written
    raise InvalidInput(f"It takes its body only as {', '.join(offered)[:200]}, which is not sent.")


def is_json(media_type: str) -> bool:
    return media_type in (JSON, "*/*") or media_type.endswith("+json")


def add_old_body(
    made: Arguments, parameters: list[dict[str, Any]], references: References, consumes: list[str]
) -> None:
    """The body and the form fields of Swagger 2, which are parameters there."""
    for parameter in parameters:
        if parameter.get("in") == "body":
            schema = expanded(parameter.get("schema"), references)
            describe_body(schema, parameter)
            made.body_type = best_type(consumes or [JSON])
            take_apart(made, schema, is_required=parameter.get("required") is True)
        elif parameter.get("in") == "formData":
            made.body_type = MULTIPART if MULTIPART in consumes or parameter.get("type") == "file" else FORM
            schema = expanded(own_schema(parameter), references)
            describe(schema, parameter)
            place = {"in": "field", "name": name_of(parameter)}
            file = {"is_file": True} if parameter.get("type") == "file" else {}
            made.add(schema, {**place, **file}, is_required=parameter.get("required") is True)


def take_apart(made: Arguments, schema: dict[str, Any], *, is_required: bool) -> None:
    """Fields of an object become arguments of their own; any other body is one argument."""
    whole = joined(schema)
    is_object = bool(whole.get("properties")) and not INDIVISIBLE & whole.keys()
    is_text = not is_json(media_of(made)) and media_of(made) not in (FORM, MULTIPART)
    if not is_object or is_text:
        made.add({"type": "string"} if is_text else schema, {"in": "body", "name": WHOLE_BODY}, is_required=is_required)
        return
    needed = as_list(whole.get("required")) if is_required else []
    for name, inner in whole["properties"].items():
        is_file = media_of(made) == MULTIPART and isinstance(inner, dict) and inner.get("format") == "binary"
        place = {"in": "field", "name": name, **({"is_file": True} if is_file else {})}
        made.add(inner if isinstance(inner, dict) else {}, place, is_required=name in needed)


def media_of(made: Arguments) -> str:
    return made.body_type.partition(";")[0].strip().lower()


def joined(schema: dict[str, Any]) -> dict[str, Any]:
    """An object that is written as `allOf` of plain objects, as one object."""
    parts = schema.get("allOf")
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        return schema
    whole: dict[str, Any] = {**{name: value for name, value in schema.items() if name != "allOf"}}
    for part in map(joined, parts):
        if INDIVISIBLE & part.keys() or "allOf" in part:
            return schema
        whole["properties"] = {**whole.get("properties", {}), **part.get("properties", {})}
        whole["required"] = [*whole.get("required", []), *as_list(part.get("required"))]
    return whole

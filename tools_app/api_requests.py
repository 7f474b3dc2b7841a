"""Writes a call as a request: each argument in its place, encoded so that it can never leave it."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from magnet.errors import InvalidInput
from tools_app.api_auth.base import HEADER_NAME, is_framing
from tools_app.models import ApiTool
from tools_app.openapi.arguments import FORM, JSON, MULTIPART, is_json

DELIMITERS = {"spaceDelimited": " ", "pipeDelimited": "|"}


@dataclass(frozen=True)
class Written:
    """A request without its sign-in."""

    url: str
    headers: Mapping[str, str]
    content: bytes | None


def written(tool: ApiTool, arguments: dict[str, Any]) -> Written:
    """Raises InvalidInput for a value that its place cannot hold."""
    placed: dict[str, list[tuple[dict[str, Any], Any]]] = {}
    for argument, value in arguments.items():
        place = tool.places[argument]
        if value is not None or place["in"] in ("field", "body"):
            placed.setdefault(place["in"], []).append((named(place, argument), value))
    pairs = [pair for place, value in placed.get("query", ()) for pair in query_pairs(place, value)]
    content, media_type = body_of(tool, placed)
    headers = {"Accept": "application/json, */*;q=0.5", **tool.server.headers}
    headers |= {place["name"]: header_text(place, value) for place, value in placed.get("header", ())}
    if cookies := [f"{place['name']}={quote(joined(value))}" for place, value in placed.get("cookie", ())]:
        headers["Cookie"] = "; ".join(cookies)
    if content is not None:
        headers["Content-Type"] = media_type
    address = tool.server.base_url + path_of(tool.path, placed.get("path", ()))
    return Written(address + (f"?{urlencode(pairs, quote_via=quote)}" if pairs else ""), headers, content)


def named(place: dict[str, Any], argument: str) -> dict[str, Any]:
    return place if "name" in place else {**place, "name": argument}


# -- The address ---------------------------------------------------------------------------------------------------


def path_of(path: str, placed: Any) -> str:
    for place, value in placed:
        path = path.replace(f"{{{place['name']}}}", path_step(place["name"], value))
    return path


def path_step(name: str, value: Any) -> str:
    """One step of a path: a slash in it is no further step, and a dot does not lead upwards."""
    text = joined(value)
    if text in ("", ".", ".."):
        raise InvalidInput(f"`{name}` stands in the path, so it cannot be empty or a dot.")
    return quote(text, safe="")


def query_pairs(place: dict[str, Any], value: Any) -> list[tuple[str, str]]:
    """As the styles of OpenAPI write it (3.1, 4.8.12.4)."""
    name, style, is_exploded = place["name"], place.get("style", "form"), place.get("explode", True)
    if style == "json":
        return [(name, json.dumps(value, ensure_ascii=False))]
    if isinstance(value, dict):
        if style == "deepObject":
            return [(f"{name}[{key}]", text(inner)) for key, inner in value.items()]
        return [(key, text(inner)) for key, inner in value.items()] if is_exploded else [(name, joined(value))]
    if isinstance(value, list):
        if is_exploded:
            return [(name, text(inner)) for inner in value]
        return [(name, DELIMITERS.get(style, ",").join(map(text, value)))]
    return [(name, text(value))]


def joined(value: Any) -> str:
    if isinstance(value, dict):
        return ",".join(f"{key},{text(inner)}" for key, inner in value.items())
    return ",".join(map(text, value)) if isinstance(value, list) else text(value)


def text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def header_text(place: dict[str, Any], value: Any) -> str:
    said = joined(value)
    if is_framing(str(place["name"])) or not re.match(HEADER_NAME, str(place["name"])):
        raise InvalidInput(f"`{place['name']}` is no header that a call can set. Remove it from the tool.")
    if not said.isascii() or not said.isprintable():
        raise InvalidInput(f"`{place['name']}` goes into a header, so it is one line of plain letters.")
    return said


# -- The body ------------------------------------------------------------------------------------------------------


def body_of(tool: ApiTool, placed: Mapping[str, list[tuple[dict[str, Any], Any]]]) -> tuple[bytes | None, str]:
    whole, fields = placed.get("body", []), placed.get("field", [])
    if not whole and not fields:
        return None, ""
    written_as = tool.body_type or JSON
    kind = written_as.partition(";")[0].strip().lower()
    value = whole[0][1] if whole else {place["name"]: inner for place, inner in fields}
    if is_json(kind):
        return json.dumps(value, ensure_ascii=False).encode(), written_as
    if kind == FORM:
        pairs = value.items() if isinstance(value, dict) else ()
        return urlencode([pair for key, inner in pairs for pair in query_pairs({"name": key}, inner)]).encode(), FORM
    if kind == MULTIPART:
        files = {place["name"] for place, _value in fields if place.get("is_file")}
        return multipart(value if isinstance(value, dict) else {}, files=files)
    return text(value).encode(), written_as if "charset" in written_as else f"{written_as}; charset=utf-8"


def multipart(values: Mapping[str, Any], *, files: set[str]) -> tuple[bytes, str]:
    """A form with texts and text files (RFC 7578)."""
    boundary, parts = secrets.token_hex(16), []
    for name, value in values.items():
        for one in value if isinstance(value, list) else [value]:
            shown = quote(name, safe=" []")
            file = f'; filename="{shown}.txt"\r\nContent-Type: text/plain; charset=utf-8' if name in files else ""
            parts.append(f'--{boundary}\r\nContent-Disposition: form-data; name="{shown}"{file}\r\n\r\n{text(one)}\r\n')
    return ("".join(parts) + f"--{boundary}--\r\n").encode(), f"{MULTIPART}; boundary={boundary}"

"""Reads what an API answered: JSON trimmed to the chosen fields, and in words what is none."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, quote_plus

from magnet.json_schema import DEEPEST_VALUE, is_beyond
from magnet.outbound.http import Response

HIDDEN = "•••"
# Shorter secrets would blank what only looks like them.
SHORTEST_SECRET = 6
TEXTS = re.compile(r"^(text/|application/(xml|yaml|x-yaml|javascript|x-ndjson|graphql)$)|\+xml$|\+yaml$")
LONGEST_TITLE = 100
ENCODINGS = ("utf", "iso8859", "cp", "ascii", "mac", "koi8", "big5", "gb", "hz", "shift_jis", "euc_", "johab")
# What stands between these came from a server; it cannot write them itself.
DELIMITER = re.compile(r"<(?=\s*/?\s*from-server)", re.IGNORECASE)
MEANT = {401: "it refuses the sign-in", 403: "it forbids this", 404: "there is no such thing", 429: "too many calls"}


@dataclass(frozen=True)
class Answered:
    """`content` is JSON or text; `note` is what a reader must know of it, a sentence or nothing."""

    status: int
    media_type: str
    content: Any
    note: str = ""

    @property
    def is_ok(self) -> bool:
        return 200 <= self.status < 300


def answered(response: Response, *, fields: list[str], secrets: Iterable[str]) -> Answered:
    """What the API sent, without the secrets that it may have repeated."""
    body = without(response.body, secrets)
    content, note = read(body, response)
    if not note and fields and 200 <= response.status < 300 and isinstance(content, dict | list):
        content, note = chosen(content, fields)
    return Answered(response.status, response.media_type, content, note or refusal(response))


def without(body: bytes, secrets: Iterable[str]) -> bytes:
    shapes = {shape for secret in secrets if len(secret) >= SHORTEST_SECRET for shape in shapes_of(secret)}
    for shape in sorted(shapes, key=len, reverse=True):
        body = body.replace(shape.encode(), HIDDEN.encode())
    return body


def shapes_of(secret: str) -> set[str]:
    """As it is, as JSON writes it, and as an address does."""
    plain, short = json.dumps(secret, ensure_ascii=False)[1:-1], json.dumps(secret)[1:-1]
    return {secret, plain, short, plain.replace("/", r"\/"), quote(secret, safe=""), quote_plus(secret)}


def read(body: bytes, response: Response) -> tuple[Any, str]:
    kind = response.media_type
    if not body:
        return None, ""
    if kind in ("text/html", "application/xhtml+xml"):
        page = decoded(body, response)
        return page, f"The server sent a web page{title_of(page)}, not data: the address may be that of a sign-in."
    is_called_json = kind == "application/json" or kind.endswith("+json")
    if is_called_json or (kind in ("", "text/plain") and body.lstrip()[:1] in (b"{", b"[")):
        try:
            return loaded(body), ""
        except (ValueError, RecursionError):
            if is_called_json:
                return decoded(body, response), "The server calls this JSON, but it is not."
    if kind == "" or TEXTS.search(kind):
        return decoded(body, response), ""
    return None, f"The server sent {len(body):,} bytes of {kind}, which is not shown."


def loaded(body: bytes) -> Any:
    """JSON that can be kept and sent on. Raises ValueError for NaN, and for what is nested without end."""
    content = json.loads(body, parse_constant=refuse_constant)
    if is_beyond(content, depth=DEEPEST_VALUE, size=len(body) + 1):
        raise ValueError("It is nested too deeply.")
    return content


def refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON.")


def refusal(response: Response) -> str:
    """What a status means where the body says nothing else."""
    if 200 <= response.status < 300:
        return ""
    if 300 <= response.status < 400:
        return f"The server answered with status {response.status} and sends us elsewhere, which was not followed."
    why = MEANT.get(response.status, "it has a fault" if response.status >= 500 else "it refuses the request")
    return f"The server answered with status {response.status}: {why}."


def decoded(body: bytes, response: Response) -> str:
    charset = re.search(r"charset=[\"']?([\w.-]+)", response.headers.get("content-type", ""))
    return body.decode(encoding(charset[1] if charset else "utf-8"), "replace").replace("\0", "")


def encoding(charset: str) -> str:
    """Python knows encodings that no server means: some take minutes, some make what nobody can store."""
    try:
        name = codecs.lookup(charset).name
    except LookupError:
        return "utf-8"
    return name if name.startswith(ENCODINGS) else "utf-8"


def title_of(page: str) -> str:
    # Without a regular expression: a page that begins a title a thousand times would cost it seconds.
    _, _, after = page[:20_000].partition("<title")
    inside, end, _ = after.partition(">")[2].partition("</title")
    title = " ".join(inside.split())[:LONGEST_TITLE] if end else ""
    return f" (“{title}”)" if title else ""


def delimited(text: str) -> str:
    """What servers of others have written, marked so that a model takes it for data."""
    return f"<from-server>\n{DELIMITER.sub('&lt;', text)}\n</from-server>"


# -- Chosen fields -------------------------------------------------------------------------------------------------


def chosen(content: Any, fields: Iterable[str]) -> tuple[Any, str]:
    """Only these fields, each named by its path, such as items.name; a list is passed through."""
    tree: dict[str, Any] = {}
    for path in fields:
        branch = tree
        for step in path.split("."):
            branch = branch.setdefault(step, {})
    kept = picked(content, tree)
    if kept in ({}, []) and content not in ({}, []):
        return content, "None of the chosen fields is in the answer, so this is all of it."
    return kept, ""


def picked(value: Any, tree: Mapping[str, Any]) -> Any:
    if not tree:
        return value
    if isinstance(value, list):
        return [picked(item, tree) for item in value]
    if not isinstance(value, dict):
        return value
    return {name: picked(value[name], branch) for name, branch in tree.items() if name in value}

"""Imports OpenAPI documents: operations become tools, and what staff have edited since outlives the next import.

Planned first, then applied: both look at the same document and say the same.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from django.db import transaction
from django.utils import timezone
from django.utils.text import slugify

from magnet.configuration import hold_slugs
from magnet.database import in_database
from magnet.errors import Conflict, FetchFailed, InvalidInput, ToolError
from magnet.models import AuditEntry
from magnet.outbound import async_http
from tools_app import openapi
from tools_app.models import ApiDocument, ApiServer, ApiTool

State = Literal["new", "offered", "changed", "unchanged", "gone", "refused"]
ALL = "all"
STATES: tuple[State, ...] = ("new", "offered", "changed", "unchanged", "gone", "refused")
COUNTED: tuple[State, ...] = ("new", "changed", "gone")
MOST_CHOSEN = 20_000
# Tools that are made with one statement.
BATCH = 200
MAX_SECONDS = 60.0


@dataclass(frozen=True)
class FieldChange:
    field: str
    before: str
    after: str


@dataclass(frozen=True)
class Step:
    """What an import does with one operation. `kept` are the fields that staff have edited and that differ."""

    operation: str
    method: str
    path: str
    name: str
    tag: str
    state: State
    fields: tuple[FieldChange, ...] = ()
    kept: tuple[str, ...] = ()
    # Why it is refused.
    why: str = ""
    slug: str = ""


@dataclass(frozen=True)
class Plan:
    title: str
    base_url: str
    steps: tuple[Step, ...]

    @property
    def fingerprint(self) -> str:
        """The same for plans that do the same: whoever has looked at one can ask for no other to be carried out."""
        said = [self.title, self.base_url, [asdict(replace(step, slug="")) for step in self.steps]]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()

    def count(self, state: State) -> int:
        return sum(step.state == state for step in self.steps)


# -- The document --------------------------------------------------------------------------------------------------


async def fetch(server: ApiServer, url: str) -> bytes:
    """The document at an address, fetched without the server's sign-in. Raises ToolError and AddressRefused."""
    request = async_http.Request(
        "GET",
        url,
        max_bytes=openapi.MAX_DOCUMENT_BYTES,
        total_seconds=MAX_SECONDS,
        headers={"Accept": "application/json, application/yaml, */*;q=0.5"},
        is_repeatable=True,
    )
    client = async_http.client(verifies_tls=server.verifies_tls, allows_private=server.allows_private_addresses)
    try:
        response = await client.send(request)
    except FetchFailed as error:
        raise ToolError(f"The document could not be fetched: {error.detail}") from error
    if response.status != 200:
        raise ToolError(f"The document could not be fetched: {request.shown} answered with status {response.status}.")
    if response.media_type == "text/html":
        raise InvalidInput(f"{request.shown} is a web page, not a document. Look there for a link to the JSON or YAML.")
    return response.body


async def fetch_and_keep(server: ApiServer, url: str) -> ApiDocument:
    content = await fetch(server, url)
    return await in_database(keep, server, content, url=url)


def keep(server: ApiServer, content: bytes, *, url: str = "") -> ApiDocument:
    """Read the document and keep it as what the next import chooses from. Raises InvalidInput and TooLarge."""
    document = openapi.read(content)
    openapi.outlines(document)
    made = {"url": url[:500], "packed": ApiDocument.pack(document), "chosen": None, "read_at": timezone.now()}
    kept, _is_new = ApiDocument.objects.update_or_create(server=server, defaults=made)
    return kept


# -- The plan ------------------------------------------------------------------------------------------------------


def plan(
    server: ApiServer, document: dict[str, Any], *, chosen: Iterable[str] | str | None = None, url: str = ""
) -> Plan:
    """What `apply` would do. `chosen` are ids of operations, or "all"; None is all of them at the first import, and
    later those that are tools already. Raises InvalidInput for one that the document has not."""
    steps = [decision.step for decision in _decisions(server, document, chosen)]
    return Plan(openapi.title_of(document), openapi.base_url_of(document, found_at=url), tuple(steps))


@dataclass(frozen=True)
class _Decision:
    """A step with what it is made of; None where nothing is imported, or nothing was before."""

    step: Step
    operation: openapi.Operation | None = None
    tool: ApiTool | None = None


def _decisions(server: ApiServer, document: dict[str, Any], chosen: Iterable[str] | str | None) -> Iterator[_Decision]:
    """One by one, so that a document with thousands of operations is never in memory as thousands of schemas."""
    outlines = {outline.id: outline for outline in openapi.outlines(document)}
    tools = tools_of(server)
    wanted = wanted_of(chosen, outlines, tools)
    for outline in outlines.values():
        yield _decided(document, outline, tools.get(outline.id), is_wanted=outline.id in wanted)
    for id_, tool in tools.items():
        if id_ not in outlines:
            yield _Decision(Step(id_, tool.method, tool.path, tool.name, "", "gone", slug=tool.slug), tool=tool)


def tools_of(server: ApiServer) -> dict[str, ApiTool]:
    return {tool.operation: tool for tool in server.tools.exclude(operation="")}


def wanted_of(
    chosen: Iterable[str] | str | None, outlines: Mapping[str, openapi.Outline], tools: Mapping[str, ApiTool]
) -> set[str]:
    if chosen == ALL or (chosen is None and not tools):
        return set(outlines)
    named = set(chosen or ())
    if unknown := sorted(named - set(outlines)):
        raise InvalidInput(f"The document has no operation “{unknown[0][:200]}”.", unknown=unknown[:20])
    return named | (set(tools) & set(outlines))


def _decided(document: dict[str, Any], outline: openapi.Outline, tool: ApiTool | None, *, is_wanted: bool) -> _Decision:
    if not is_wanted:
        return _Decision(_step(outline, "refused" if outline.fault else "offered", why=outline.fault))
    try:
        operation = openapi.built(document, outline)
    except InvalidInput as error:
        return _Decision(_step(outline, "refused", why=error.detail))
    step = _step(outline, "new") if tool is None else _changed(outline, operation, tool)
    return _Decision(step, operation, tool)


def _step(outline: openapi.Outline, state: State, *, why: str = "") -> Step:
    name = outline.summary or outline.id
    return Step(outline.id, outline.method, outline.path, name, outline.tag, state, why=why)


def _changed(outline: openapi.Outline, operation: openapi.Operation, tool: ApiTool) -> Step:
    said, edited = imported_from(operation), set(tool.edited)
    moved = [name for name in ApiTool.IMPORTED if said[name] != tool.imported.get(name)]
    fields = tuple(
        FieldChange(name, in_words(name, getattr(tool, name)), in_words(name, said[name]))
        for name in moved
        if name not in edited and said[name] != getattr(tool, name)
    )
    is_back = tool.gone_at is not None
    return Step(
        outline.id,
        outline.method,
        outline.path,
        tool.name,
        outline.tag,
        "changed" if fields or is_back else "unchanged",
        fields=fields,
        kept=tuple(name for name in ApiTool.IMPORTED if name in edited),
        why="It is in the document again." if is_back else "",
        slug=tool.slug,
    )


def imported_from(operation: openapi.Operation) -> dict[str, Any]:
    """What an operation says of a tool, by the names of the columns."""
    return {
        "name": operation.name,
        "description": operation.description,
        "method": operation.method,
        "path": operation.path,
        "arguments": operation.arguments,
        "places": operation.places,
        "body_type": operation.body_type,
        "mock_response": operation.example,
    }


def in_words(name: str, value: Any) -> str:
    """A value as a diff shows it: arguments one on a line."""
    if name == "arguments":
        needed = value.get("required", [])
        lines = [_argument(key, inner, is_required=key in needed) for key, inner in value.get("properties", {}).items()]
        return "\n".join(lines)
    if name == "places":
        return "\n".join(f"{key}: {place.get('in')} {place.get('name', key)}" for key, place in value.items())
    return str(value)


def _argument(name: str, schema: Any, *, is_required: bool) -> str:
    facts = dict(schema) if isinstance(schema, dict) else {}
    said = facts.pop("description", "")
    rest = json.dumps(facts, ensure_ascii=False)
    return f"{name}{' (required)' if is_required else ''}: {said} {rest[:500]}"


# -- Applying ------------------------------------------------------------------------------------------------------


@transaction.atomic
def apply(
    server: ApiServer,
    document: dict[str, Any],
    *,
    chosen: Iterable[str] | str | None = None,
    url: str = "",
    seen: str = "",
) -> Plan:
    """Make, change and retire tools as `plan` says; what is gone from the document is kept and no longer called.

    `seen` is the fingerprint of the plan that was looked at. Raises Conflict when another would be carried out by now.
    """
    # As it stands now: while the document was fetched, somebody may have entered another address, and its secrets.
    server = ApiServer.objects.select_for_update(no_key=True).get(pk=server.pk)
    slugs, steps, made = _FreeSlugs(), [], []
    for decision in _decisions(server, document, chosen):
        step = decision.step
        if step.state == "new" and decision.operation is not None:
            step = replace(step, slug=slugs.take(step.operation))
            made.append(_made(server, decision.operation, slug=step.slug))
        elif decision.tool is not None:
            _update(decision.tool, decision.operation)
        steps.append(step)
        if len(made) == BATCH:
            ApiTool.objects.bulk_create(made)
            made = []
    ApiTool.objects.bulk_create(made)
    decided = Plan(openapi.title_of(document), openapi.base_url_of(document, found_at=url), tuple(steps))
    refuse_if_nothing_fits(decided)
    if seen and decided.fingerprint != seen:
        raise Conflict("Nothing is imported: the document or the tools have changed since you looked. Look once more.")
    server.note_import(url=url, base_url=decided.base_url)
    counts = {name: decided.count(name) for name in COUNTED}
    AuditEntry.record("imported", server, title=decided.title, **counts)
    return decided


def refuse_if_nothing_fits(decided: Plan) -> None:
    refused = [step for step in decided.steps if step.state == "refused"]
    if refused and all(step.state in ("refused", "offered") for step in decided.steps):
        raise InvalidInput(f"None of these operations can be imported. {refused[0].why}")


def _made(server: ApiServer, operation: openapi.Operation, *, slug: str) -> ApiTool:
    said = imported_from(operation)
    return ApiTool(server=server, operation=operation.id, slug=slug, imported=said, **said)


def _update(tool: ApiTool, operation: openapi.Operation | None) -> None:
    """Take over what changed, but for what staff have edited; None where the operation is gone."""
    if operation is None:
        if tool.gone_at is None:
            tool.gone_at = timezone.now()
            tool.save(update_fields=["gone_at", "updated_at"])
        return
    said, edited = imported_from(operation), set(tool.edited)
    if said == tool.imported and tool.gone_at is None:
        return
    for name in set(ApiTool.IMPORTED) - edited:
        setattr(tool, name, said[name])
    tool.imported, tool.gone_at = said, None
    tool.save(update_fields=[*ApiTool.IMPORTED, "imported", "gone_at", "updated_at"])


class _FreeSlugs:
    """Slugs that nobody has, asked for once, because thousands may be taken."""

    def __init__(self) -> None:
        hold_slugs(ApiTool)
        self.taken = set(ApiTool.objects.values_list("slug", flat=True))

    def take(self, operation: str) -> str:
        base = slugify(with_hyphens(operation))[:90].strip("-") or "api-tool"
        slug, number = base, 1
        while slug in self.taken:
            number += 1
            slug = f"{base}-{number}"
        self.taken.add(slug)
        return slug


def with_hyphens(operation: str) -> str:
    """findPetsByStatus as find-Pets-By-Status; runs of capitals stay together."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", operation)
    return re.sub(r"[^A-Za-z0-9]+", "-", parted)

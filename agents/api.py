"""Agents over the API: made live, changed in a draft, published and undone, and run without a conversation."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from ninja import Query, Router

from agents import loading, loop
from agents.loading import LoadedAgent
from agents.models import Agent, AgentVersion
from agents.schemas import STREAM, AgentChanges, AgentRun, AgentSettings, AgentTurnOut, NewAgent, put_aside
from agents.turn import Turn
from magnet import configuration
from magnet.api import versioned
from magnet.api.listing import Listing, Page, page
from magnet.api.root import json_response
from magnet.api.schemas import PublicationOut, Publish, VersionedOut, VersionOut
from magnet.database import in_database
from magnet.models import AIModel, PromptTemplate
from magnet.web.auth import Needs
from magnet.web.streaming import Event, event_stream, wants_stream

router = Router(tags=["Agents"])
READ, WRITE, PUBLISH, RUN = (Needs(f"agents:{verb}") for verb in ("read", "write", "publish", "run"))

Shown = VersionedOut[AgentSettings]
ShownVersion = VersionOut[AgentSettings]


@router.post("/{slug}/run", response=AgentTurnOut, auth=RUN, openapi_extra=STREAM)
async def run_agent(request: HttpRequest, slug: str, body: AgentRun) -> HttpResponseBase:
    """One turn with an agent that keeps nothing; streamed when asked with Accept: text/event-stream."""
    agent = await loading.load(slug, version=body.version)
    await versioned.refuse_draft(Agent, slug, body.version, scopes="agents")
    # Before the first event: afterwards it is too late for a status.
    turn = loop.cleaned(agent, body.turn(agent=slug))
    if body.user is not None:
        await body.user.step_in()
    if wants_stream(request):
        return event_stream(_events(agent, turn), instance=request.path)
    return json_response(await _whole(agent, turn))


async def _events(agent: LoadedAgent, turn: Turn) -> AsyncGenerator[Event, None]:
    """As the loop tells them; a pause travels signed."""
    async with aclosing(loop.run(agent, turn)) as events:
        async for event in events:
            yield Event(event.name, put_aside(event.data)) if event.name == "completed" else event


async def _whole(agent: LoadedAgent, turn: Turn) -> dict[str, Any]:
    confirmations = []
    completed: dict[str, Any] = {}
    async with aclosing(_events(agent, turn)) as events:
        async for event in events:
            if event.name == "confirmation":
                confirmations.append(event.data)
            completed = event.data
    return {**completed, "confirmations": confirmations}


@router.get("", response=Page[Shown], auth=READ)
async def list_agents(request: HttpRequest, listing: Query[Listing]) -> Any:
    """List the agents."""
    search_in, order_by = ("name", "slug", "description"), ("name", "slug", "created_at", "updated_at")
    return await in_database(partial(page, rows(), listing, show=show, search_in=search_in, order_by=order_by))


@router.post("", response={201: Shown}, auth=WRITE)
async def create_agent(request: HttpRequest, response: HttpResponse, body: NewAgent) -> Any:
    """Add an agent from a name and topics; its version 1 is live at once."""
    created = await in_database(_create, body)
    response["Location"] = f"/api/agents/{created['slug']}"
    versioned.note_revision(response, created)
    return created


@router.get("/{slug}", response=Shown, auth=READ)
async def get_agent(request: HttpRequest, response: HttpResponse, slug: str) -> Any:
    """Show an agent: what is live, and the draft."""
    shown = await in_database(lambda: show(find(slug)))
    versioned.note_revision(response, shown)
    return shown


@router.patch("/{slug}", response=Shown, auth=WRITE)
async def change_agent(request: HttpRequest, response: HttpResponse, slug: str, body: AgentChanges) -> Any:
    """Change the draft. Callers get the live version until you publish."""
    shown = await in_database(_change, slug, body, versioned.revision_seen(request, body.revision))
    versioned.note_revision(response, shown)
    return shown


@router.delete("/{slug}", response={204: None}, auth=WRITE)
async def delete_agent(request: HttpRequest, slug: str) -> Any:
    """Remove an agent that nothing uses."""
    await in_database(lambda: configuration.remove(find(slug)))


@router.post("/{slug}/publish", response=PublicationOut, auth=PUBLISH)
async def publish_agent(request: HttpRequest, slug: str, body: Publish | None = None) -> Any:
    """Make the draft, or an earlier version, what callers get."""
    return await in_database(lambda: versioned.publish(find(slug), body or Publish()))


@router.post("/{slug}/undo", response=PublicationOut, auth=PUBLISH)
async def undo_agent(request: HttpRequest, slug: str) -> Any:
    """Take the last publication back."""
    return await in_database(lambda: versioned.undo(find(slug)))


@router.get("/{slug}/versions", response=Page[ShownVersion], auth=READ)
async def list_agent_versions(request: HttpRequest, slug: str, listing: Query[Listing]) -> Any:
    """List the versions, newest first."""
    return await in_database(_versions, slug, listing)


@router.get("/{slug}/versions/{number}", response=ShownVersion, auth=READ)
async def get_agent_version(request: HttpRequest, slug: str, number: int) -> Any:
    """Show one version."""
    return await in_database(lambda: show_version(versioned.numbered(find(slug), number)))


# -- Finding and showing -------------------------------------------------------------------------------------------

RELATED = ("ai_model", "routing_prompt", "processing_prompt", "summary_prompt")


def rows() -> Any:
    related = [f"{version}__{name}" for version in ("live", "draft") for name in RELATED]
    topics = [f"{version}__topic_rows__actions" for version in ("live", "draft")]
    return Agent.objects.select_related("live", "draft", *related).prefetch_related("tags", *topics)


def find(slug: str) -> Agent:
    row: Agent = configuration.find(rows(), slug)
    return row


def show(row: Agent) -> dict[str, Any]:
    return versioned.show(row, settings=show_settings)


def show_version(version: Any) -> dict[str, Any]:
    return versioned.show_version(version, settings=show_settings)


def show_settings(version: AgentVersion) -> AgentSettings:
    """By the rows that a list has loaded already: settings() would ask for the topics of each version."""
    settings = {name: getattr(version, name) for name in version.SETTINGS}
    settings |= {name: getattr(version, name).slug if getattr(version, name) else None for name in RELATED}
    return AgentSettings(**settings, topics=[topic.as_settings() for topic in version.topic_rows.all()])


# -- Doing ---------------------------------------------------------------------------------------------------------


def _given(body: AgentChanges) -> dict[str, Any]:
    settings = body.sent(without=versioned.NOT_SETTINGS)
    for name in RELATED:
        if name in settings:
            model = AIModel if name == "ai_model" else PromptTemplate
            settings[name] = configuration.named(model, settings[name], field=name)
    for name in ("topics", "variables"):
        if settings.get(name) is not None:
            settings[name] = [each.model_dump(mode="json") for each in settings[name]]
    return {name: value for name, value in settings.items() if name != "topics" or value is not None}


def _create(body: NewAgent) -> dict[str, Any]:
    row = versioned.create(Agent, identity=versioned.identity_in(body), settings=_given(body))
    return show(find(row.slug))


def _change(slug: str, body: AgentChanges, revision: int | None) -> dict[str, Any]:
    versioned.change(find(slug), identity=versioned.identity_in(body), settings=_given(body), revision=revision)
    return show(find(slug))


def _versions(slug: str, listing: Listing) -> dict[str, Any]:
    versions = find(slug).versions.select_related(*RELATED).prefetch_related("topic_rows__actions")
    return page(versions, listing, show=show_version, search_in=("note", "author"), order_by=("number", "created_at"))

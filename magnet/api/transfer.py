"""Export and import over the API: a key moves what it could read and write by hand."""

from __future__ import annotations

from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router
from pydantic import Field

from magnet import transfer
from magnet.api.schemas import Given, Text
from magnet.callers import Caller
from magnet.database import in_database
from magnet.errors import InvalidInput
from magnet.web.auth import Needs, caller_of

YAML = "application/yaml; charset=utf-8"
# They stand in the address, which a server reads up to some 64 kB.
MOST_NAMED = 100


class SignedIn(Needs):
    """Anybody who is known: which scopes are needed depends on the kinds of objects that are named."""

    def __init__(self) -> None:
        super().__init__("")

    async def __call__(self, request: HttpRequest) -> Caller:
        return await caller_of(request)


Reference = Annotated[Text, Field(max_length=200)]


class Chosen(Given):
    object: list[Reference] = Field(default=[], max_length=MOST_NAMED, description="kind/slug; repeat it for several")
    all: bool = Field(default=False, description="everything that can be moved")
    dependencies: bool = Field(default=True, description="with everything that the objects depend on")
    without: list[Reference] = Field(default=[], max_length=MOST_NAMED, description="kinds or kind/slug to leave out")


class Import(Given):
    document: str | dict[str, Any] = Field(description="what an export answered: YAML or JSON as text, or an object")
    dry_run: bool = False
    publish: bool = Field(default=False, description="publish what comes in; without it, drafts are made")
    fingerprint: Annotated[Text, Field(max_length=200)] = Field(
        default="", description="of the plan that you looked at: another one is not carried out"
    )


class ChangeOut(Given):
    field: str
    before: str
    after: str


class StepOut(Given):
    object: str
    state: str
    changes: list[ChangeOut]
    missing: list[str]
    reason: str
    notes: list[str]


class PlanOut(Given):
    dry_run: bool
    is_possible: bool
    fingerprint: str
    counts: dict[str, int]
    steps: list[StepOut]
    to_do: list[str]


router = Router(tags=["Moving configuration"])
AS_YAML = {"responses": {200: {"content": {"application/yaml": {"schema": {"type": "string"}}}}}}


@router.get("/export", response=None, auth=SignedIn(), openapi_extra=AS_YAML)
async def export_configuration(request: HttpRequest, chosen: Query[Chosen]) -> HttpResponse:
    """Write objects and what they depend on as YAML, without secrets. Needs the scope `read` of each kind in it."""
    if bool(chosen.object) == chosen.all:
        raise InvalidInput("Name objects, such as object=rag-tools/handbook, or send all=true.")
    return HttpResponse(await in_database(_exported, chosen), content_type=YAML)


@router.post("/import", response=PlanOut, auth=SignedIn())
async def import_configuration(request: HttpRequest, body: Import) -> Any:
    """Take in what an export wrote, all of it or nothing. Needs `write` of each kind in it, and `publish` to publish.

    With `dry_run` it says what would change. 409 comes with the plan when something is missing or does not fit, or when
    it is not the plan whose `fingerprint` was sent.
    """
    return await in_database(_imported, body)


def _exported(chosen: Chosen) -> str:
    named = transfer.everything() if chosen.all else [transfer.reference(each) for each in chosen.object]
    return transfer.export(named, with_dependencies=chosen.dependencies, without=chosen.without)


def _imported(body: Import) -> dict[str, Any]:
    objects = transfer.read(body.document)
    if body.dry_run:
        plan = transfer.plan(objects, publish=body.publish)
    else:
        plan = transfer.apply(objects, publish=body.publish, seen=body.fingerprint)
    return {"dry_run": body.dry_run, **plan.as_json()}

"""Who may find what: documents of a group are found by its people and keys only, and nothing said means no."""

import psycopg
import pytest
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from knowledge import sync, uploads
from knowledge.uploads import PushedDocument
from magnet import groups
from magnet.database import CHANNEL, _conninfo, forget_configuration, in_database
from magnet.models import Span, SpanPayload, Trace, User
from tests import factories
from tests.fixtures_admin import signed_in
from tests.fixtures_api import bearer

pytestmark = pytest.mark.django_db(transaction=True)

TEXTS = {
    "lunch": (None, "Lunch is served at noon in the red house."),
    "salaries": (("HR",), "Salaries are paid on the last day in the red house."),
    "ours": (("example.org",), "The key of the red house hangs at the door."),
    "janes": (("jane@example.com", "Board"), "The contract of Jane lies in the red house."),
}


@pytest.fixture
def source():
    source = factories.source("house")
    documents = [PushedDocument(remote_id=name, text=text, groups=groups) for name, (groups, text) in TEXTS.items()]
    sync.run_to_end(uploads.push(source, documents).run)
    return source


@pytest.fixture(autouse=True)
def nothing_remembered():
    """The numbers of generations begin anew in each test."""
    forget_configuration()


SEARCH = ("knowledge-sources:run", "knowledge-sources:read")
ASKED = {"query": "red house", "limit": 10}


@pytest.fixture
def found(source, issue_key, anonymous):
    """What a key finds: found(scopes=…, groups=…, headers=…)."""

    async def found(*, scopes=SEARCH, groups=(), headers=None, **fields) -> set[str]:
        key = await in_database(lambda: issue_key(*scopes, document_groups=groups, **fields))
        sent = {**bearer(key), **(headers or {})}
        answer = await anonymous.post("/api/knowledge-sources/house/search", json=ASKED, headers=sent)
        assert answer.status_code == 200, answer.text
        return {passage["document"]["remote_id"] for passage in answer.json()["passages"]}

    return found


async def test_a_key_without_groups_finds_only_what_is_for_everybody(found):
    assert await found() == {"lunch"}


async def test_a_key_finds_documents_of_its_groups_however_they_are_written(found):
    assert await found(groups=[" hr"]) == {"lunch", "salaries"}


@pytest.mark.parametrize("scopes", [["all"], ["knowledge-sources:run", "restricted-documents:read"]])
async def test_all_documents_need_a_right_of_their_own(found, scopes):
    assert await found(scopes=scopes) == set(TEXTS)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Magnet-Groups": "hr"}, {"lunch", "salaries"}),
        ({"Magnet-Groups": ""}, {"lunch"}),
        ({"Magnet-Groups": "nobody, at%20all"}, {"lunch"}),
        ({"Magnet-Person": "jane@example.com"}, {"lunch", "janes"}),
        ({"Magnet-Person": "JANE@example.com", "Magnet-Groups": "Hr"}, {"lunch", "janes", "salaries"}),
        ({"Magnet-Person": "somebody@Example.org"}, {"lunch", "ours"}),
        ({"Magnet-Person": "stranger@example.com"}, {"lunch"}),
        ({"Magnet-Person": ""}, {"lunch"}),
    ],
)
async def test_who_asks_for_a_person_gets_what_that_person_may_find(found, headers, expected):
    assert await found(scopes=["all"], headers=headers) == expected


async def test_the_groups_of_a_person_whom_magnet_knows_count(found):
    mary = {"email": "mary@example.com", "document_groups": ["hr"], "verified_email": "mary@example.com"}
    await in_database(lambda: User.objects.create_user(**mary))
    assert await found(scopes=["all"], headers={"Magnet-Person": "Mary@example.com"}) == {"lunch", "salaries"}


async def test_an_account_whose_address_nobody_has_proved_brings_no_groups(found):
    await in_database(lambda: User.objects.create_user("mary@example.com", document_groups=["hr"]))
    assert await found(scopes=["all"], headers={"Magnet-Person": "mary@example.com"}) == {"lunch"}


async def test_headers_take_away_and_never_add(found):
    assert await found(groups=["hr"], headers={"Magnet-Groups": "hr,board"}) == {"lunch", "salaries"}
    assert await found(headers={"Magnet-Person": "jane@example.com"}) == {"lunch"}


async def test_lists_and_details_keep_to_it_too(source, issue_key, anonymous):
    anonymous.headers.update(bearer(await in_database(lambda: issue_key(*SEARCH))))

    listed = (await anonymous.get("/api/knowledge-sources/house/documents")).json()

    assert [document["remote_id"] for document in listed["items"]] == ["lunch"]
    assert (await anonymous.get("/api/knowledge-sources/house/documents/salaries")).status_code == 404
    hidden = await in_database(lambda: source.documents.get(remote_id="salaries"))
    assert (await anonymous.get(f"/api/documents/{hidden.pk}")).status_code == 404


async def test_that_a_document_exists_is_not_theirs_to_know(source, issue_key, anonymous):
    anonymous.headers.update(bearer(await in_database(lambda: issue_key(*SEARCH))))
    house = "/api/knowledge-sources/house"

    hidden = (await anonymous.get(f"{house}/documents/salaries")).json()["detail"]
    unknown = (await anonymous.get(f"{house}/documents/nothing")).json()["detail"]
    proof = await anonymous.get(f"{house}/proof-of-deletion", params={"remote_id": "salaries"})

    assert hidden.replace("salaries", "nothing") == unknown
    assert proof.status_code == 403
    assert "whatever groups" in proof.json()["detail"]


async def test_a_key_finds_nothing_that_its_owner_no_longer_finds(found):
    def make() -> User:
        groups.seed()
        owner = User.objects.create_user("owen@example.com", document_groups=["hr"])
        owner.groups.set(Group.objects.filter(name="Viewer"))
        return owner

    owner = await in_database(make)
    assert await found(groups=["hr"], owner=owner) == {"lunch", "salaries"}

    await in_database(lambda: User.objects.filter(pk=owner.pk).update(document_groups=["sales"]))
    forget_configuration()
    owner = await in_database(lambda: User.objects.get(pk=owner.pk))
    assert await found(groups=["hr"], owner=owner) == {"lunch"}
    assert await found(scopes=["all"], owner=owner) == {"lunch"}


@pytest.mark.parametrize("table", ["magnet_user_groups", "magnet_user_user_permissions", "auth_group_permissions"])
def test_every_process_hears_at_once_that_somebody_lost_a_right(db, table):
    groups.seed()
    person = User.objects.create_user("owen@example.com")
    person.groups.set(Group.objects.all())
    person.user_permissions.set(Permission.objects.all()[:1])
    with psycopg.connect(_conninfo(), autocommit=True) as listener, connection.cursor() as cursor:
        listener.execute(f"listen {CHANNEL}")
        cursor.execute(f"delete from {table}")
        assert [notice.payload for notice in listener.notifies(timeout=60, stop_after=1)] == [table]


async def test_a_key_hands_on_no_groups_that_it_lacks(issue_key, anonymous):
    def maker() -> str:
        scopes = ("api-keys:write", "rag-tools:run")
        return issue_key(*scopes, owner=User.objects.create_superuser("o@example.com"))

    body = {"name": "Child", "scopes": ["rag-tools:run"], "document_groups": ["hr"]}
    sent = await anonymous.post("/api/api-keys", json=body, headers=bearer(await in_database(maker)))
    assert sent.status_code == 403
    assert "hr" in sent.json()["detail"]


async def test_the_answer_of_one_person_is_not_replayed_to_another(source, issue_key, anonymous):
    sent = {**bearer(await in_database(lambda: issue_key("all"))), "Idempotency-Key": "one"}
    url = "/api/knowledge-sources/house/search"
    first = await anonymous.post(url, json=ASKED, headers={**sent, "Magnet-Groups": "hr"})
    second = await anonymous.post(url, json=ASKED, headers={**sent, "Magnet-Groups": "sales"})
    assert (first.status_code, second.status_code) == (200, 422)


def test_staff_see_as_somebody_else(source, owner):
    page = reverse("admin:knowledge_knowledgesource_search", args=[source.pk])

    everything = owner.get(page, {"q": "red house"}).content.decode()
    as_hr = owner.get(page, {"q": "red house", "see_as": "HR"}).content.decode()

    assert "contract of Jane" in everything
    assert "Salaries are paid" in as_hr
    assert "contract of Jane" not in as_hr


def test_a_viewer_learns_from_a_proof_of_deletion_nothing_about_documents_of_others(source, owner, member):
    page = reverse("admin:knowledge_knowledgesource_proof", args=[source.pk])

    refused = member("Viewer").post(page, {"wanted": "salaries"}, follow=True).content.decode()
    proved = owner.post(page, {"wanted": "salaries"}).content.decode()

    assert "Where was looked" in proved
    assert "Where was looked" not in refused
    assert "whatever groups they are for" in refused


def test_a_viewer_sees_no_document_of_a_group_that_is_not_theirs(source, member):
    viewer = member("Viewer")
    documents = viewer.get(reverse("admin:knowledge_document_changelist")).content.decode()
    page = reverse("admin:knowledge_knowledgesource_search", args=[source.pk])
    assert "lunch" in documents
    assert "salaries" not in documents
    assert "Salaries" not in viewer.get(page, {"q": "red house", "see_as": "HR"}).content.decode()

    user = User.objects.get(email="viewer@example.com")
    user.document_groups = ["hr"]
    user.save()
    assert "Salaries" in signed_in(user).get(page, {"q": "red house"}).content.decode()


# -- What answers have left in traces ----------------------------------------------------------------------------


def traced(source, name):
    """An answer that quotes this document."""
    document = source.documents.get(remote_id=name)
    trace = Trace.objects.create(feature="rag_tool", started_at=timezone.now(), documents=[document.pk])
    span = Span.objects.create(trace=trace, name="chat", kind="chat", started_at=trace.started_at)
    SpanPayload.objects.create(span=span, created_at=trace.started_at, output={"text": TEXTS[name][1]})
    return trace


def test_whoever_sees_traces_reads_no_text_of_documents_that_they_may_not_find(source, owner, member):
    analyst = member("Analyst")
    pages = {name: reverse("admin:magnet_trace_change", args=[traced(source, name).pk]) for name in TEXTS}

    hidden, open_ = (analyst.get(pages[name]).content.decode() for name in ("salaries", "lunch"))

    assert "Salaries are paid" not in hidden
    assert "documents of groups that you may not find" in hidden
    assert "Lunch is served" in open_
    assert "Salaries are paid" in owner.get(pages["salaries"]).content.decode()
    assert SpanPayload.objects.filter(output=None).count() == 0


@pytest.mark.parametrize(
    ("scopes", "groups", "is_shown"),
    [(["traces:read"], [], False), (["traces:read"], ["hr"], True), (["all"], [], True)],
)
async def test_a_key_reads_in_traces_what_it_may_find(source, issue_key, anonymous, scopes, groups, is_shown):
    trace = await in_database(traced, source, "salaries")
    key = await in_database(lambda: issue_key(*scopes, document_groups=groups))

    answer = await anonymous.get(f"/api/traces/{trace.pk}", headers=bearer(key))

    assert answer.status_code == 200
    assert ("Salaries are paid" in answer.text) is is_shown

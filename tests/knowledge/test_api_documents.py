"""Documents over the API: handed in, listed, read, tried again, deleted; whatever their ids look like."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from knowledge import sync
from knowledge.models import Document, SyncRun
from magnet.database import in_database
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)

PATH = "/api/knowledge-sources/office/documents"


@pytest.fixture(autouse=True)
def office(transactional_db, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path / "files"
    return factories.source("office")


async def push(api, *documents, **settings):
    return await api.post(PATH, json={"documents": list(documents)}, **settings)


async def index():
    """Do the work that was queued."""
    await in_database(lambda: [sync.run_to_end(run) for run in SyncRun.objects.unfinished()])


async def search(api, query):
    found = await api.post("/api/knowledge-sources/office/search", json={"query": query, "mode": "words"})
    return [passage["document"]["remote_id"] for passage in found.json()["passages"]]


async def test_documents_are_handed_in_once_and_found(api):
    document = {"remote_id": "pets", "title": "Pets", "text": "Dogs are welcome.", "metadata": {"year": 2026}}
    first = await push(api, document)
    assert first.status_code == 202, first.text
    assert (first.json()["added"], first.json()["run"]["status"]) == (1, "queued")
    assert first.headers["Location"] == f"/api/sync-runs/{first.json()['run']['id']}"
    await index()
    assert await search(api, "dogs") == ["pets"]
    same = await push(api, document)
    assert (same.status_code, same.json()["unchanged"], same.json()["run"]) == (200, 1, None)
    changed = await push(api, {**document, "text": "Cats are welcome."})
    assert (changed.status_code, changed.json()["changed"]) == (202, 1)
    await index()
    assert (await search(api, "dogs"), await search(api, "cats")) == ([], ["pets"])


@pytest.mark.parametrize("field", ["files", "file"])
async def test_files_are_handed_in(api, field):
    files = [(field, ("pets.md", b"# Pets\n\nDogs are welcome.")), (field, ("empty.txt", b""))]
    pushed = await api.post(PATH, files=files, data={"metadata": '{"team": "office"}'})
    assert (pushed.status_code, pushed.json()["added"]) == (202, 2)
    await index()
    listed = (await api.get(PATH, params={"ordering": "remote_id"})).json()
    assert [(row["remote_id"], row["state"]) for row in listed["items"]] == [
        ("empty.txt", "failed"),
        ("pets.md", "live"),
    ]
    assert listed["items"][1]["metadata"] == {"team": "office"}
    (failed,) = (await api.get(PATH, params={"state": "failed"})).json()["items"]
    assert failed["failure"]


async def test_what_does_not_fit_is_named_by_its_place(api):
    refused = await push(api, {"remote_id": "a", "text": "x"}, {"remote_id": "b"}, {"remote_id": "c", "txt": "x"})
    assert refused.status_code == 422
    assert {"documents.1.text", "documents.2.txt"} <= set(refused.json()["errors"])
    too_many = await push(api, *({"remote_id": str(n), "text": "x"} for n in range(1_001)))
    assert (too_many.status_code, list(too_many.json()["errors"])) == (422, ["documents"])
    nothing = await api.post(PATH, files=[("other", ("a.md", b"x"))])
    assert (nothing.status_code, list(nothing.json()["errors"])) == (422, ["files"])
    uneven = await api.post(PATH, files=[("files", ("a.md", b"x"))], data={"remote_id": ["a", "b"]})
    assert uneven.status_code == 422
    plain = await api.post(PATH, content=b"x", headers={"Content-Type": "text/plain"})
    assert plain.status_code == 415
    broken = await api.post(PATH, content=b"--b\r\nX", headers={"Content-Type": "multipart/form-data; boundary="})
    assert broken.status_code == 400
    assert not await in_database(Document.objects.exists)


async def test_nul_and_broken_characters_do_no_harm(api):
    headers = {"Content-Type": "application/json"}
    body = b'{"documents": [{"remote_id": "a", "title": "T\\u0000", "text": "Do\\u0000gs \\ud800 run."}]}'
    assert (await api.post(PATH, content=body, headers=headers)).status_code == 202
    await index()
    assert await search(api, "dogs") == ["a"]
    assert (await push(api, {"remote_id": "a\0", "text": "x"})).status_code == 422


async def test_another_connector_takes_nothing(api, settings, tmp_path):
    settings.FOLDER_ROOTS = [tmp_path]
    await in_database(factories.folder_source, tmp_path, "docs")
    body = {"documents": [{"remote_id": "a", "text": "x"}]}
    refused = await api.post("/api/knowledge-sources/docs/documents", json=body)
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")


STRANGE = [
    "https://example.com/a/b?c=d&e=f#g",
    "notes/2026/😀 plan.md",
    "ends/with/slash/",
    "//double//slashes",
    "is it/retry",
    "100%25 sure",
    "a" * 500,
    "ж" * 1_000,
]


@pytest.mark.parametrize("remote_id", STRANGE, ids=lambda remote_id: remote_id[:20])
async def test_every_id_can_be_read_tried_again_and_deleted(api, remote_id):
    await push(api, {"remote_id": remote_id, "text": "Dogs are welcome."})
    await index()
    path = f"{PATH}/{quote(remote_id, safe='')}"
    assert (await api.get(PATH, params={"remote_id": remote_id})).json()["items"][0]["remote_id"] == remote_id
    assert (await api.get(path)).json()["text"] == "Dogs are welcome."
    assert (await api.post(f"{path}/retry")).status_code == 202
    assert (await api.delete(path)).status_code == 204
    assert (await api.get(path)).status_code == 404
    assert await search(api, "dogs") == []


async def test_an_id_of_more_than_a_thousand_characters_is_refused(api):
    long = "a" * 1_001
    answers = [
        await push(api, {"remote_id": long, "text": "x"}),
        await api.get(f"{PATH}/{long}"),
        await api.delete(PATH, params={"remote_id": long}),
    ]
    assert [answer.status_code for answer in answers] == [422, 422, 422]
    assert all("1,000" in answer.json()["detail"] for answer in answers)


async def test_a_document_has_an_address_of_its_own(api):
    await push(api, {"remote_id": "pets", "text": "Dogs are welcome."})
    document_id = (await api.get(PATH)).json()["items"][0]["id"]
    assert (await api.get(f"/api/documents/{document_id}")).json()["remote_id"] == "pets"
    assert (await api.post(f"/api/documents/{document_id}/retry")).status_code == 202
    assert (await api.delete(f"/api/documents/{document_id}")).status_code == 204
    assert (await api.get(f"/api/documents/{document_id}")).status_code == 404


async def test_an_excluded_document_is_found_again_when_it_is_included(api):
    others = [{"remote_id": f"other {number}", "text": "We sell fresh bread each morning."} for number in range(3)]
    await push(api, {"remote_id": "pets", "text": "Dogs are welcome in our shop each morning."}, *others)
    await index()
    document_id = (await api.get(PATH, params={"remote_id": "pets"})).json()["items"][0]["id"]

    excluded = await api.post(f"{PATH}/pets/exclude")
    assert (excluded.status_code, excluded.json()["state"]) == (200, "excluded")
    assert "pets" not in await search(api, "dogs")

    assert (await api.post(f"/api/documents/{document_id}/include")).status_code == 202
    await index()
    assert (await api.get(f"{PATH}/pets")).json()["state"] == "live"
    assert "pets" in await search(api, "dogs")
    assert (await api.post(f"/api/documents/{document_id}/exclude")).json()["failure_code"] == "excluded"
    assert (await api.post(f"{PATH}/pets/include")).status_code == 202


async def test_deleting_by_parameter_names_one_document(api):
    await push(api, {"remote_id": "a/b", "text": "x"}, {"remote_id": "c", "text": "x"})
    assert (await api.delete(PATH)).status_code == 422
    assert (await api.delete(PATH, params={"remote_id": "a/b"})).status_code == 204
    assert (await api.delete(PATH, params={"remote_id": "a/b"})).status_code == 404
    assert (await api.get(PATH)).json()["count"] == 1


async def test_a_form_that_is_sent_twice_is_taken_once(api):
    async def send():
        # Each time with another boundary, as every client does.
        files = [("files", ("pets.md", b"# Pets\n\nDogs are welcome."))]
        return await api.post(PATH, files=files, headers={"Idempotency-Key": "upload-1"})

    first, second = await send(), await send()
    assert first.json() == second.json()
    assert second.headers["Idempotent-Replayed"] == "true"


async def test_a_list_of_documents_asks_the_database_a_fixed_number_of_times(api, django_assert_max_num_queries):
    await push(api, *({"remote_id": f"d{n}", "title": f"Title {n}", "text": "x"} for n in range(30)))
    page = (await api.get(PATH, params={"limit": 10, "search": "title 1", "ordering": "-title"})).json()
    assert (page["count"], page["items"][0]["title"]) == (11, "Title 19")

    def ask():
        from knowledge.api_documents import _list
        from knowledge.schemas import DocumentListing

        with django_assert_max_num_queries(7):
            assert len(_list("office", DocumentListing())["items"]) == 30

    await in_database(ask)

"""Documents that cannot be taken over the API: each is refused by name, at once, and nothing of the push is kept."""

from __future__ import annotations

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


def nested(levels: int) -> str:
    return '{"a":' * levels + "1" + "}" * levels


@pytest.mark.parametrize(
    "metadata",
    [
        '{"a": NaN}',
        '{"a": 1e999}',
        '{"a": [-Infinity]}',
        nested(11),
        nested(400),
        nested(980),
        '{"a": "' + "x" * 100_001 + '"}',
    ],
    ids=["NaN", "too large a number", "infinity", "eleven levels", "400 levels", "980 levels", "too long"],
)
async def test_metadata_that_cannot_be_kept(api, metadata):
    body = (
        f'{{"documents": [{{"remote_id": "good", "text": "Good."}}, '
        f'{{"remote_id": "odd", "text": "Odd.", "metadata": {metadata}}}]}}'
    )
    refused = await api.post(PATH, content=body, headers={"Content-Type": "application/json"})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_input")
    assert "metadata of “odd”" in refused.json()["detail"]
    assert await in_database(Document.objects.count) == 0


async def test_metadata_that_nobody_can_read(api):
    body = f'{{"documents": [{{"remote_id": "odd", "text": "Odd.", "metadata": {nested(100_000)}}}]}}'
    refused = await api.post(PATH, content=body, headers={"Content-Type": "application/json"})
    assert (refused.status_code, refused.json()["code"]) == (400, "malformed_request")


async def test_the_same_id_twice_loses_neither(api):
    documents = [{"remote_id": "pets", "text": "Dogs."}, {"remote_id": "pets", "text": "Cats."}]
    refused = await api.post(PATH, json={"documents": documents})
    assert refused.status_code == 422
    assert "“pets” is sent twice" in refused.json()["detail"]
    files = [("files", ("a.txt", b"Dogs.")), ("files", ("a.txt", b"Cats."))]
    assert (await api.post(PATH, files=files)).status_code == 422
    own_ids = await api.post(PATH, files=files, data={"remote_id": ["dogs/a.txt", "cats/a.txt"]})
    assert (own_ids.status_code, own_ids.json()["added"]) == (202, 2)


async def test_the_sentence_names_what_does_not_fit(api):
    refused = await api.post(PATH, json={"documents": [{"remote_id": 5, "text": "x"}]})
    assert refused.json()["detail"] == "Some documents do not fit. documents.0.remote_id: Send a text."
    nothing = await api.post("/api/knowledge-sources/office/search", json={})
    assert nothing.json()["detail"] == "query: This is required."


async def test_too_many_files_at_once(api):
    files = [("files", (f"{number}.txt", b"Dogs.")) for number in range(201)]
    refused = await api.post(PATH, files=files)
    assert (refused.status_code, refused.json()["code"]) == (413, "too_large")
    assert refused.json()["detail"] == "Send at most 200 files at once."


async def test_a_text_that_names_the_kind_of_its_original_is_read_as_text(api):
    """Whoever has taken the text out of a PDF says so, and it is no PDF any more."""
    document = {"remote_id": "lease.pdf", "text": "The rent is due in May.", "media_type": "application/pdf"}
    pushed = await api.post(PATH, json={"documents": [document]})
    await in_database(lambda: sync.run_to_end(SyncRun.objects.get(pk=pushed.json()["run"]["id"])))
    kept = (await api.get(f"{PATH}/lease.pdf")).json()
    assert (kept["state"], kept["text"], kept["media_type"]) == ("live", document["text"], "application/pdf")

"""Who may steer what: a key retries, excludes and includes only the documents that it may read."""

import pytest

from knowledge import ledger, sync, uploads
from knowledge.models import IndexedDocument
from knowledge.uploads import PushedDocument
from magnet.database import in_database
from tests import factories
from tests.fixtures_api import bearer

pytestmark = pytest.mark.django_db(transaction=True)

DEEDS = ("retry", "exclude", "include")


@pytest.fixture
def salaries():
    """A document for one group."""
    text = "Salaries are paid on the last day."
    document = PushedDocument(remote_id="salaries", text=text, groups=("HR",))
    pushed = uploads.push(factories.source("house"), [document])
    sync.run_to_end(pushed.run)
    return pushed.run.source.documents.get()


@pytest.fixture
def steer(salaries, issue_key, anonymous):
    """POST by a key with these groups, to the document itself or by its name in the source."""

    async def steer(deed: str, *, groups: tuple[str, ...], by_name: bool):
        key = await in_database(
            lambda: issue_key("knowledge-sources:read", "knowledge-sources:write", document_groups=list(groups))
        )
        path = "knowledge-sources/house/documents/salaries" if by_name else f"documents/{salaries.pk}"
        return await anonymous.post(f"/api/{path}/{deed}", headers=bearer(key))

    return steer


@pytest.mark.parametrize("by_name", [True, False])
@pytest.mark.parametrize("deed", DEEDS)
async def test_documents_of_others_cannot_be_steered_and_seem_not_to_exist(steer, salaries, deed, by_name):
    if deed == "include":
        await in_database(lambda: ledger.exclude([salaries.pk], by="the office"))
    before = await in_database(lambda: IndexedDocument.objects.values().get())

    answer = await steer(deed, groups=("Kitchen",), by_name=by_name)

    assert answer.status_code == 404
    assert not by_name or str(salaries.pk) not in answer.text
    assert await in_database(lambda: IndexedDocument.objects.values().get()) == before


@pytest.mark.parametrize("by_name", [True, False])
@pytest.mark.parametrize("deed", DEEDS)
async def test_documents_of_ones_own_groups_can_be_steered(steer, deed, by_name):
    answer = await steer(deed, groups=("hr",), by_name=by_name)

    assert answer.status_code in (200, 202), answer.text

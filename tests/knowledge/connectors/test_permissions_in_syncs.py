"""A change of permissions alone reaches the documents: for other people, without being fetched or embedded again."""

from __future__ import annotations

import pytest

from knowledge.models import Document
from tests import factories
from tests.knowledge.connectors.fake_api import running
from tests.knowledge.connectors.fakes.confluence import SPACE_IDS, FakeDataCenter
from tests.knowledge.connectors.fakes.google_drive import FakeGoogleDrive
from tests.knowledge.connectors.fakes.sharepoint import FakeSharePoint

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def originals(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path


def share_page(api, who):
    api.access.spaces[SPACE_IDS["HELP"]] = ["group:staff", "user:jane", "user:john"]
    api.access.restrictions["1"] = [f"user:{who}"]


def share_file(api, who):
    api.share(api.remote_id(1), {"type": "user", "emailAddress": f"{who}@example.com"})


def share_document(api, who):
    api.share("item1", {"grantedToV2": {"user": {"email": f"{who}@example.com"}}})


def taking_permissions_over(api):
    config, secrets = api.settings()
    source = factories.source("shared", connector=api.kind, config={**config, "take_over_permissions": True})
    source.set_secrets(secrets)
    source.save()
    return source


SHARING = {FakeDataCenter: share_page, FakeGoogleDrive: share_file, FakeSharePoint: share_document}


@pytest.mark.parametrize("kind", list(SHARING))
def test_new_permissions_count_after_the_next_sync_and_cost_nothing(kind):
    with running(kind) as api:
        api.put(1, "The password is swordfish.")
        SHARING[kind](api, "jane")
        source = taking_permissions_over(api)
        factories.sync_now(source)
        before = Document.objects.get(source=source)
        assert before.groups == ["jane@example.com"]

        SHARING[kind](api, "john")
        run = factories.sync_now(source)

        after = Document.objects.get(pk=before.pk)
        assert after.groups == ["john@example.com"]
        assert (run.changed, run.chunks_embedded, run.tokens) == (1, 0, 0)
        assert after.file_hash == before.file_hash


def test_a_run_says_how_many_documents_are_for_nobody():
    with running(FakeGoogleDrive) as api:
        api.put(1, "The password is swordfish.")
        source = taking_permissions_over(api)
        run = factories.sync_now(source)

        assert Document.objects.get(source=source).groups == []
        assert "1 document is found only with the right to all documents" in run.notice
        assert not Document.objects.visible_to(["jane@example.com"]).exists()

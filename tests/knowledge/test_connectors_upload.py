"""An upload source holds what was uploaded; a sync finds nothing to do there."""

from __future__ import annotations

import pytest

from knowledge.connectors import CONNECTORS
from knowledge.connectors.base import RemoteDocument
from magnet.errors import FetchFailed, ListingFailed


def test_documents_are_handed_in_so_listing_them_would_only_delete_them():
    upload = CONNECTORS["upload"](CONNECTORS["upload"].Config())

    assert upload.is_pushed
    assert "uploaded" in upload.check()
    with pytest.raises(ListingFailed, match="uploaded"):
        list(upload.list({}))
    with pytest.raises(FetchFailed, match="upload it again"):
        upload.fetch(RemoteDocument("a.md"))


@pytest.mark.parametrize("kind", CONNECTORS)
def test_every_kind_says_what_it_is(kind):
    connector = CONNECTORS[kind]

    assert connector.label
    assert connector.description.endswith(".")
    assert connector.Config.model_json_schema()["type"] == "object"
    assert connector.Secrets.model_json_schema()["type"] == "object"

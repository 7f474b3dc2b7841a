"""Notion: pages as Markdown with all their blocks, and no change lost within the minute that Notion rounds to."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from knowledge.connectors.notion import NotionConfig
from magnet.errors import FetchFailed
from tests.knowledge.connectors.fake_api import running
from tests.knowledge.connectors.fakes.notion import FakeNotion, page_id, words


@pytest.fixture
def notion():
    with running(FakeNotion) as notion:
        yield notion


def listed(connector):
    return {document.remote_id: document for document in connector.list({})}


def text_of(notion, number):
    connector = notion.connector()
    return connector.fetch(listed(connector)[page_id(number)]).body.decode()


def test_every_kind_of_block_is_read(notion):
    notion.put(1, "First")
    block = notion.block
    notion.blocks[page_id(1)] += [
        block("h", "heading_1", rich_text=words("Reset")),
        block("l", "bulleted_list_item", rich_text=words("Press"), has_children=True),
        block("t", "to_do", rich_text=words("Wait"), checked=True),
        block("c", "code", rich_text=words("reset --now"), language="bash"),
        block("q", "callout", rich_text=words("Careful")),
        block("k", "paragraph", rich_text=words("the manual", href="https://example.com/manual")),
        block("T", "table", has_children=True),
        block("p", "child_page", title="Another page", has_children=True),
        block("f", "pdf", name="guide.pdf", type="file", file={"url": "https://s3.example.com/secret"}),
        block("u", "unsupported"),
    ]
    notion.blocks["l"] = [block("l1", "bulleted_list_item", rich_text=words("hard"))]
    rows = [[words("Room"), words("Code")], [words("1"), words("a|b")]]
    notion.blocks["T"] = [block(f"T{number}", "table_row", cells=cells) for number, cells in enumerate(rows)]
    text = text_of(notion, 1)

    for part in ("# Page 1\n", "First", "## Reset", "- Press\n  - hard", "- [x] Wait", "```bash\nreset --now\n```"):
        assert part in text
    for part in (
        "> Careful",
        "[the manual](https://example.com/manual)",
        "| Room | Code |\n| --- | --- |\n| 1 | a\\|b |",
    ):
        assert part in text
    assert "guide.pdf" in text
    assert "s3.example.com" not in text


def test_properties_of_a_row_stand_in_its_text_and_its_files_are_documents(notion):
    address = f"{notion.url}/file/1"
    notion.files["/file/1"] = b"How to"
    files = [{"name": "manual.txt", "type": "file", "file": {"url": address}}, {"name": "a.png", "file": {"url": "x"}}]
    notion.put(
        1,
        "Text",
        Status={"type": "status", "status": {"name": "Done"}},
        Tags={"type": "multi_select", "multi_select": [{"name": "a"}, {"name": "b"}]},
        Due={"type": "date", "date": {"start": "2026-01-02"}},
        Sum={"type": "formula", "formula": {"type": "number", "number": 3}},
        Empty={"type": "select", "select": None},
        Files={"type": "files", "files": files},
    )
    connector = notion.connector()
    documents = listed(connector)

    text = text_of(notion, 1)
    for part in ("Status: Done", "Tags: a, b", "Due: 2026-01-02", "Sum: 3"):
        assert part in text
    assert "Empty" not in text
    assert set(documents) == {page_id(1), f"{page_id(1)}/attachments/manual.txt"}
    file = documents[f"{page_id(1)}/attachments/manual.txt"]
    assert connector.fetch(file).body == b"How to"
    assert "Authorization" in notion.asked("/file/1")[0].headers  # The fake's own origin; others never see it.
    notion.put(1, "Text")
    with pytest.raises(FetchFailed, match="no longer attached"):
        connector.fetch(file)


def test_only_the_rows_of_chosen_databases_are_read(notion):
    database = page_id(99)
    for number in (1, 2, 3):
        notion.put(number, "Text")
    notion.pages[page_id(2)]["parent"] = {"type": "database_id", "database_id": database}

    link = f"https://www.notion.so/team/{database}?v=1"
    assert set(listed(notion.connector(databases=[link]))) == {page_id(2)}
    with pytest.raises(ValidationError, match="holds no id of a database"):
        NotionConfig(databases=["my database"])


def test_a_page_that_changes_twice_within_a_minute_is_read_again(notion):
    notion.put(1, "Once")
    notion.pages[page_id(1)]["last_edited_time"] = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:00.000Z")
    first = listed(notion.connector())[page_id(1)].version
    second = listed(notion.connector())[page_id(1)].version

    assert first != second


def test_a_page_in_the_trash_is_not_listed_and_not_read(notion):
    notion.put(1, "Text")
    connector = notion.connector()
    (document,) = listed(connector).values()
    notion.remove(1)

    assert listed(connector) == {}
    with pytest.raises(FetchFailed, match="trash"):
        connector.fetch(document)


def test_a_token_without_pages_says_what_is_missing(notion):
    assert "no page is shared with it yet" in notion.connector().check()

"""The day of a support lead, in a real browser: documents in, cited answers out, a change published and undone."""

from __future__ import annotations

import pytest

from tests.browser.pictures import picture
from tests.browser.steps import HOLIDAYS, SECONDS, add_tool, add_upload_source, answered, ask, named
from tests.knowledge.files import pdf

pytestmark = pytest.mark.browser

TRAVEL = pdf(
    [
        ("Heading1", "Travel expenses"),
        ("BodyText", "Train tickets of the second class are paid in full when the receipt is handed in."),
    ],
    [
        ("Heading1", "Hotels"),
        ("BodyText", "A hotel room may cost up to one hundred and twenty euros a night, breakfast included."),
    ],
    title="Travel rules",
)


def test_documents_go_in_and_cited_answers_come_out(page):
    source = add_upload_source(page, named("Staff rules"))

    page.locator("input[type=file]").set_input_files(
        [
            {"name": "holidays.md", "mimeType": "text/markdown", "buffer": HOLIDAYS},
            {"name": "travel.pdf", "mimeType": "application/pdf", "buffer": TRAVEL},
            {"name": "broken.pdf", "mimeType": "application/pdf", "buffer": b"This is no PDF."},
        ]
    )
    page.get_by_text("3 of 3 sent").wait_for(timeout=60 * SECONDS)
    page.locator("[data-progress] [data-label]", has_text="Done").wait_for(timeout=60 * SECONDS)
    picture(page, "upload")

    the_dashboard_says_how_it_is(page)
    a_search_finds_the_passage(page)
    page.get_by_role("link", name="Documents", exact=True).last.click()
    row = page.get_by_role("row").filter(has_text="broken.pdf")
    row.get_by_text("claims to be a PDF").wait_for()
    assert page.get_by_role("row").filter(has_text="Live").count() == 2
    picture(page, "documents")

    add_tool(page, named("Staff help"), source)
    ask(page, "How much may a hotel room cost?")
    answered(page)
    assert "one hundred and twenty euros" in page.locator("[data-answer]").inner_text()
    assert page.get_by_text("No language model configured: these are quotes.").is_visible()
    assert "quotes from your documents" in page.locator("[data-facts]").inner_text()
    assert "tokens" not in page.locator("[data-facts]").inner_text()

    page.locator("[data-answer] .mg-cite").first.click()
    card = page.locator("[data-passages] details[open]")
    assert "Travel rules" in card.inner_text()
    picture(page, "rag-tool")
    with page.expect_popup() as opened:
        card.get_by_role("link", name="Open in its document").click()
    document = opened.value
    document.locator("#passage").wait_for()
    assert "one hundred and twenty euros" in " ".join(document.locator(".mg-highlight").all_inner_texts())
    picture(document, "document", of=document.locator("#passage"))
    document.close()

    with page.expect_popup() as opened:
        page.get_by_role("link", name="How it came about").click()
    trace = opened.value
    trace.get_by_role("heading", name="How much may a hotel room cost?", exact=True).wait_for()
    assert trace.locator(".mg-step").count() >= 2
    trace.locator(".mg-step summary").first.click()
    picture(trace, "trace")
    trace.close()

    ask(page, "Xyzzy plugh?")
    page.locator("[data-answer]", has_text="nothing").wait_for(timeout=60 * SECONDS)
    answered(page)
    facts = page.locator("[data-facts]").inner_text()
    assert "version" in facts
    assert "quotes" not in facts
    assert page.get_by_text("No language model configured: these are quotes.").is_hidden()


def test_a_change_is_a_draft_until_it_is_published_and_can_be_undone(page):
    source = add_upload_source(page, named("Shops"))
    tool = named("Hours")
    add_tool(page, tool, source)

    page.get_by_label("When nothing is found").fill("Nobody knows that here.")
    page.get_by_role("button", name="Save draft").click()
    page.get_by_text("Draft: version 2").wait_for()

    ask(page, "Is the shop open on Sundays?")
    answered(page)
    assert page.locator("[data-answer]").inner_text() == "Nobody knows that here."
    page.locator(".mg-segments label", has_text="Live").click()
    ask(page, "Is the shop open on Mondays?")
    page.get_by_text("version 1", exact=True).wait_for(timeout=60 * SECONDS)
    assert page.locator("[data-answer]").inner_text() == "I found nothing about that."

    page.get_by_role("link", name="Publish", exact=True).click()
    assert page.locator("del", has_text="found nothing").is_visible()
    assert page.locator("ins", has_text="Nobody").is_visible()
    picture(page, "publish")
    page.get_by_label("What changed, and why").fill("A friendlier sentence")
    page.get_by_role("button", name="Publish version 2").click()
    page.get_by_text(f"Version 2 of “{tool}” is live").wait_for()

    page.get_by_role("button", name="Undo: back to version 1").click()
    page.get_by_text("Undone: version 1 is live again.").wait_for()
    page.get_by_role("link", name="Versions", exact=True).click()
    page.get_by_text("A friendlier sentence").first.wait_for()
    picture(page, "versions")


def test_the_home_page_says_what_is_set_up(page):
    page.goto("/admin/")
    page.get_by_role("heading", name="Background work").wait_for()
    assert page.get_by_text("Not running").count() == 0
    page.get_by_text("documents can be found").wait_for()
    picture(page, "home")


def test_a_website_source_explains_its_schedule_while_it_is_typed(page):
    page.goto("/admin/knowledge/knowledgesource/add/?connector=website")
    name = named("Help centre")
    page.get_by_label("Name", exact=False).first.fill(name)
    page.keyboard.press("Tab")
    assert page.locator("#id_slug").input_value() == name.lower().replace(" ", "-")
    picture(page, "source-form")
    page.locator("#id_schedule").select_option("cron")
    page.locator("#id_cron").fill("30 6 * * 1-5")
    page.get_by_text("At 06:30, Monday through Friday").wait_for()
    picture(page, "schedule", of=page.get_by_text("Looking for changes"))
    page.locator("#id_config__start_url").fill("http://127.0.0.1:9/")
    page.get_by_role("button", name="Add").click()
    page.get_by_role("link", name="Settings").click()

    page.get_by_role("button", name="Test connection").click()

    page.locator("[data-check-result].mg-danger").wait_for(timeout=60 * SECONDS)


def test_an_invited_colleague_chooses_a_password_and_sees_what_a_viewer_may_see(page, browser, magnet):
    page.goto("/admin/magnet/user/add/")
    page.get_by_label("E-mail address").fill(named("vera").replace(" ", "-") + "@example.com")
    page.get_by_label("Name").fill("Vera")
    page.get_by_label("Viewer").check()
    page.get_by_role("button", name="Invite").click()
    link = page.locator("[data-copied]").inner_text()
    picture(page, "invitation")

    context = browser.new_context(base_url=magnet.url)
    theirs = context.new_page()
    theirs.goto(link)
    theirs.get_by_label("New password", exact=False).first.fill("a long sentence of mine")
    theirs.get_by_label("confirmation", exact=False).fill("a long sentence of mine")
    theirs.get_by_role("button", name="Set it and sign in").click()

    theirs.get_by_role("heading", name="Hello, Vera").wait_for()
    assert theirs.get_by_role("link", name="RAG tools").is_visible()
    assert theirs.get_by_role("link", name="API keys").count() == 0
    assert theirs.goto("/admin/magnet/apikey/").status == 403
    theirs.goto(link)
    assert theirs.get_by_text("This link no longer works").first.is_visible()
    context.close()


def the_dashboard_says_how_it_is(page) -> None:
    page.get_by_role("link", name="Overview", exact=True).click()
    page.locator("a.mg-number", has_text="Live").get_by_text("2", exact=True).wait_for()
    problems = page.get_by_role("link", name="broken.pdf")
    assert problems.is_visible()
    picture(page, "dashboard")
    page.locator(".mg-table a.mg-whole").first.click()
    page.get_by_role("heading", name="What it did").wait_for()
    page.locator("[data-log] li", has_text="broken.pdf").first.wait_for()
    picture(page, "sync-run")
    page.get_by_role("link", name="To the source").click()


def a_search_finds_the_passage(page) -> None:
    page.get_by_role("link", name="Try a search", exact=True).click()
    page.get_by_placeholder("What are you looking for?").fill("What may a hotel cost?")
    page.get_by_role("button", name="Search", exact=True).click()
    assert "one hundred and twenty euros" in page.locator("details.mg-passage").first.inner_text()
    picture(page, "search")

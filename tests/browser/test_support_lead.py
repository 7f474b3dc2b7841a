"""The day of a support lead, in a real browser: documents in, cited answers out, a change published and undone."""

from __future__ import annotations

import pytest

from tests.knowledge.files import pdf

pytestmark = pytest.mark.browser

SECONDS = 1_000
HOLIDAYS = b"""# Holidays

## How many days

Every employee may take thirty days of holiday each year.

## Whom to ask

Ask your team lead at least two weeks before the holiday begins.
"""
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


def test_documents_go_in_and_cited_answers_come_out(page, photograph):
    source = add_upload_source(page, "Staff rules")

    page.locator("input[type=file]").set_input_files(
        [
            {"name": "holidays.md", "mimeType": "text/markdown", "buffer": HOLIDAYS},
            {"name": "travel.pdf", "mimeType": "application/pdf", "buffer": TRAVEL},
            {"name": "broken.pdf", "mimeType": "application/pdf", "buffer": b"This is no PDF."},
        ]
    )
    page.get_by_text("3 of 3 sent").wait_for(timeout=60 * SECONDS)
    photograph("upload")
    page.locator("[data-progress] [data-label]", has_text="Done").wait_for(timeout=60 * SECONDS)

    page.get_by_role("link", name="Documents", exact=True).last.click()
    row = page.get_by_role("row").filter(has_text="broken.pdf")
    row.get_by_text("claims to be a PDF").wait_for()
    assert page.get_by_role("row").filter(has_text="Live").count() == 2
    photograph("documents")

    add_tool(page, "Staff help", source)
    ask(page, "How much may a hotel room cost?")
    page.get_by_text("How it came about").wait_for(timeout=60 * SECONDS)
    assert "one hundred and twenty euros" in page.locator("[data-answer]").inner_text()
    assert page.get_by_text("No language model configured: these are quotes.").is_visible()
    assert "quotes from your documents" in page.locator("[data-facts]").inner_text()
    assert "tokens" not in page.locator("[data-facts]").inner_text()

    page.locator("[data-answer] .mg-cite").first.click()
    card = page.locator("[data-passages] details[open]")
    assert "Travel rules" in card.inner_text()
    photograph("try-it")
    with page.expect_popup() as opened:
        card.get_by_role("link", name="Open in its document").click()
    document = opened.value
    document.locator("#passage").wait_for()
    assert "one hundred and twenty euros" in " ".join(document.locator(".mg-highlight").all_inner_texts())
    document.screenshot(path="test-results/document.png")
    document.close()

    with page.expect_popup() as opened:
        page.get_by_role("link", name="How it came about").click()
    trace = opened.value
    trace.get_by_role("heading", name="How much may a hotel room cost?", exact=True).wait_for()
    assert trace.locator(".mg-step").count() >= 2
    trace.locator(".mg-step summary").first.click()
    trace.screenshot(path="test-results/trace.png")
    trace.close()

    ask(page, "Xyzzy plugh?")
    page.locator("[data-answer]", has_text="nothing").wait_for(timeout=60 * SECONDS)
    page.get_by_text("How it came about").wait_for(timeout=60 * SECONDS)
    facts = page.locator("[data-facts]").inner_text()
    assert "version" in facts
    assert "quotes" not in facts
    assert page.get_by_text("No language model configured: these are quotes.").is_hidden()


def test_a_change_is_a_draft_until_it_is_published_and_can_be_undone(page, photograph):
    source = add_upload_source(page, "Opening hours")
    add_tool(page, "Hours", source)

    page.get_by_label("When nothing is found").fill("Nobody knows that here.")
    page.get_by_role("button", name="Save draft").click()
    page.get_by_text("Draft: version 2").wait_for()

    ask(page, "Is the shop open on Sundays?")
    page.get_by_text("How it came about").wait_for(timeout=60 * SECONDS)
    assert page.locator("[data-answer]").inner_text() == "Nobody knows that here."
    page.locator(".mg-segments label", has_text="Live").click()
    ask(page, "Is the shop open on Mondays?")
    page.get_by_text("version 1", exact=True).wait_for(timeout=60 * SECONDS)
    assert page.locator("[data-answer]").inner_text() == "I found nothing about that."

    page.get_by_role("link", name="Publish", exact=True).click()
    assert page.locator("del", has_text="found nothing").is_visible()
    assert page.locator("ins", has_text="Nobody").is_visible()
    photograph("publish")
    page.get_by_label("What changed, and why").fill("A friendlier sentence")
    page.get_by_role("button", name="Publish version 2").click()
    page.get_by_text("Version 2 of “Hours” is live").wait_for()

    page.get_by_role("button", name="Undo: back to version 1").click()
    page.get_by_text("Undone: version 1 is live again.").wait_for()
    page.get_by_role("link", name="Versions", exact=True).click()
    page.get_by_text("A friendlier sentence").first.wait_for()
    photograph("versions")


def test_the_home_page_says_what_is_set_up(page, photograph):
    page.get_by_role("heading", name="Background work").wait_for()
    assert page.get_by_text("Not running").count() == 0
    page.get_by_text("documents can be found").wait_for()
    photograph("home")


def test_a_website_source_explains_its_schedule_while_it_is_typed(page, photograph):
    page.goto("/admin/knowledge/knowledgesource/add/?connector=website")
    page.get_by_label("Name", exact=False).first.fill("Help centre")
    page.keyboard.press("Tab")
    assert page.locator("#id_slug").input_value() == "help-centre"
    page.locator("#id_schedule").select_option("cron")
    page.locator("#id_cron").fill("30 6 * * 1-5")
    page.get_by_text("At 06:30, Monday through Friday").wait_for()
    photograph("website-form")
    page.locator("#id_config__start_url").fill("http://127.0.0.1:9/")
    page.get_by_role("button", name="Add").click()
    page.get_by_role("link", name="Settings").click()

    page.get_by_role("button", name="Test connection").click()

    page.locator("[data-check-result].mg-danger").wait_for(timeout=60 * SECONDS)


def test_an_invited_colleague_chooses_a_password_and_sees_what_a_viewer_may_see(page, browser, magnet, photograph):
    page.goto("/admin/magnet/user/add/")
    page.get_by_label("E-mail address").fill("vera@example.com")
    page.get_by_label("Name").fill("Vera")
    page.get_by_label("Viewer").check()
    page.get_by_role("button", name="Invite").click()
    link = page.locator("[data-copied]").inner_text()
    photograph("invitation")

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


# -- What a person does several times ----------------------------------------------------------------------------------


def add_upload_source(page, name: str) -> str:
    page.goto("/admin/knowledge/knowledgesource/")
    page.get_by_role("link", name="Add knowledge source").or_(page.locator("a.addlink")).first.click()
    page.get_by_role("link", name="Upload Files that you drop").click()
    page.get_by_label("Name", exact=False).first.fill(name)
    page.get_by_role("button", name="Add").click()
    page.get_by_role("link", name="Upload", exact=True).click()
    return name


def add_tool(page, name: str, source: str) -> None:
    page.goto("/admin/tools_app/ragtool/add/")
    page.get_by_label("Name", exact=False).first.fill(name)
    page.get_by_label(source).check()
    page.get_by_role("button", name="Add").click()
    page.get_by_role("heading", name="Try it").wait_for()


def ask(page, question: str) -> None:
    page.get_by_label("Your question").fill(question)
    page.get_by_role("button", name="Ask").click()

"""Why not this document? One sentence for each stage at which a document may have dropped out."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from django.utils import timezone

from knowledge import disabling, retrieval, uploads
from knowledge.models import Chunk, Document, IndexedDocument, KnowledgeSource
from knowledge.uploads import PushedDocument
from magnet import tracing
from magnet.callers import SYSTEM, acting_as
from magnet.database import in_database
from magnet.errors import NotAllowed
from magnet.models import Span
from tests import factories
from tests.tools_app.explaining import QUESTION, asked, fact, hand_in, index, office, tool_of, why
from tools_app.models import RagTool

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("searching")]


@pytest.fixture
def source(settings, tmp_path) -> KnowledgeSource:
    settings.MEDIA_ROOT = tmp_path
    return office()


@pytest.fixture
def tool(source) -> RagTool:
    return tool_of(source)


async def test_a_cited_document_is_named_by_title_id_or_address(tool) -> None:
    trace_id = await asked()
    row = await in_database(lambda: Document.objects.get(remote_id="opening"))
    await in_database(lambda: Document.objects.filter(pk=row.pk).update(url="https://example.com/opening"))

    for name in ("Opening hours", " opening HOURS ", "opening", "https://example.com/opening", str(row.pk)):
        told = await why(trace_id, name)
        assert (told.stage, told.reason) == ("cited", "The answer cites it as [1]."), name
    assert told.document.id == str(row.pk)
    assert [(step.stage, step.count) for step in told.funnel] == [
        ("scope", 3), ("weighed", 3), *[(step.stage, step.count) for step in told.funnel[2:-2]],
        ("shown", 3), ("cited", 1),
    ]  # fmt: skip


async def test_what_was_in_the_prompt_and_not_cited_has_a_number(tool) -> None:
    told = await why(await asked(), "Pets")

    assert told.stage == "not_cited"
    assert told.reason.startswith("In the prompt as passage ")
    assert "but not cited: the answer cites [1]." in told.reason


async def test_the_built_in_answerer_reads_no_prompt_so_a_language_model_is_what_helps(tool) -> None:
    trace_id = await asked()
    told = await why(trace_id, "Pets")
    await in_database(lambda: Span.objects.filter(trace=trace_id, kind="chat").update(provider="cloud"))
    by_a_model = await why(trace_id, "Pets")

    assert told.reason.endswith("reads no prompt: connect a language model.")
    assert (told.setting, told.setting_url) == ("language_model", "/admin/magnet/provider/")
    assert by_a_model.reason.endswith("but not cited: the answer cites [1].")
    assert by_a_model.setting_url == f"/admin/tools_app/ragtool/{tool.pk}/change/#id_prompt_template"


async def test_what_nobody_synced_is_said_with_similar_titles(tool) -> None:
    told = await why(await asked(), "Opening times of shops")

    assert (told.stage, told.document) == ("never_synced", None)
    assert "Never synced" in told.reason
    assert told.setting_url == "/admin/knowledge/knowledgesource/"
    assert [each.title for each in told.documents] == ["Opening hours"]


async def test_several_of_one_name_are_listed_to_choose_from(source, tool) -> None:
    await in_database(lambda: hand_in(source, opening2="# Opening hours\n\nThe shop opens at ten."))

    told = await why(await asked(), "Opening hours")

    assert told.stage == "choose"
    assert sorted(each.remote_id for each in told.documents) == ["opening", "opening2"]
    assert (await why(await asked(), "opening2")).document.remote_id == "opening2"


async def test_a_document_of_a_source_that_the_tool_does_not_search(source, tool) -> None:
    def elsewhere() -> None:
        hand_in(factories.source("menu"), lunch="# Lunch\n\nSoup on Mondays.")

    await in_database(elsewhere)
    told = await why(await asked(), "Lunch")

    assert told.stage == "source"
    assert "“Menu” was not searched, only “office”" in told.reason
    assert told.setting_url.endswith(f"/ragtool/{tool.pk}/change/#id_sources")


async def test_a_document_that_waits_to_be_indexed(source, tool) -> None:
    trace_id = await asked()

    def hand_in() -> None:
        uploads.push(source, [PushedDocument(remote_id="late", text="# Late\n\nNothing yet.")])
        Document.objects.filter(remote_id="late").update(created_at=timezone.now() - timedelta(days=1))

    await in_database(hand_in)
    told = await why(trace_id, "late")

    assert told.stage == "pending"
    assert told.setting_url == f"/admin/knowledge/knowledgesource/{source.pk}/overview/"


async def test_a_document_that_came_after_the_answer(source, tool) -> None:
    trace_id = await asked()
    await in_database(lambda: hand_in(source, late="# Late\n\nThe office in Riga opens at ten now."))

    told = await why(trace_id, "Late")

    assert told.stage == "synced_after"
    assert "Ask again." in told.reason
    assert (await why(await asked(), "Late")).stage in ("cited", "not_cited")


async def test_a_document_that_could_not_be_read_says_why(source, tool) -> None:
    def fail() -> None:
        hand_in(source, scan="# Scan\n\nA scanned page.")
        Document.objects.filter(remote_id="scan").update(created_at=timezone.now() - timedelta(days=1))
        entry = IndexedDocument.objects.get(document__remote_id="scan")
        Chunk.objects.filter(document_id=entry.document_id).delete()
        IndexedDocument.objects.filter(pk=entry.pk).update(
            state="failed", failure="Page 12 cannot be read: it is damaged.", chunk_count=0
        )

    await in_database(fail)
    told = await why(await asked(), "Scan")

    assert (told.stage, told.reason) == ("failed", "It failed to be read: Page 12 cannot be read: it is damaged.")
    assert told.setting_url == f"/admin/knowledge/document/{told.document.id}/change/"


async def test_an_excluded_document(source, tool) -> None:
    await in_database(lambda: uploads.exclude(Document.objects.filter(remote_id="pets")))
    assert (await why(await asked(), "Pets")).stage == "excluded"


async def test_a_document_whose_chunks_are_disabled(source, tool) -> None:
    def disable() -> None:
        disabling.disable(Chunk.objects.filter(document__remote_id="pets"))

    await in_database(disable)
    told = await why(await asked(), "Pets")

    assert told.stage == "disabled"
    assert "All its chunks (1) are disabled" in told.reason


async def test_a_deleted_document_is_dated_and_answers_that_quote_it_are_blank(source, tool) -> None:
    other = await asked("Where do visitors park?", passage_count=1)
    quoting = await asked(QUESTION)
    await in_database(lambda: uploads.delete(Document.objects.get(remote_id="opening")))

    told = await why(other, "Opening hours")

    assert told.stage == "deleted"
    assert told.reason.startswith("Deleted on 20")
    assert (await why(quoting, "Opening hours")).stage == "blanked"


async def test_below_the_minimum_score_says_both_numbers(tool) -> None:
    told = await why(await asked(minimum_score=0.45), "Pets")

    assert told.stage == "minimum_score"
    assert told.reason.startswith("Below the minimum score: its best passage scored 0.")
    assert "at least 0.45" in told.reason
    assert told.setting_url.endswith("#id_minimum_score")


async def test_one_passage_too_many_says_its_rank(tool) -> None:
    told = await why(await asked(passage_count=1), "Pets")

    assert told.stage in ("passages", "search")
    assert told.setting == "passage_count"
    assert told.setting_url.endswith("#id_passage_count")


async def test_what_the_search_cut_is_told_before_the_minimum_score_which_is_named_next(tool) -> None:
    both = await why(await asked(passage_count=1, minimum_score=0.6), "Pets")
    only_one = await why(await asked(passage_count=1, minimum_score=0), "Pets")
    low = await why(await asked(passage_count=3, minimum_score=0.6), "Pets")

    assert (both.stage, both.setting, both.next_setting) == ("search", "passage_count", "minimum_score")
    assert "the first 1 went on. Changing this alone would not bring it in: its score of 0." in both.reason
    assert both.reason.endswith("is below the minimum score of 0.60, too.")
    assert both.next_setting_url.endswith("#id_minimum_score")
    assert (only_one.stage, only_one.setting, only_one.next_setting) == ("search", "passage_count", "")
    assert (low.stage, low.next_setting) == ("minimum_score", "")


async def test_over_the_token_budget(source, tool) -> None:
    long_text = "# Jurmala\n\n" + "The office in Jurmala is by the sea. " * 12
    await in_database(lambda: hand_in(source, jurmala=long_text))

    told = await why(await asked("Where is the office in Jurmala?", context_tokens=100), "Pets")

    assert told.stage == "budget"
    assert "100 tokens" in told.reason
    assert told.setting_url.endswith("#id_context_tokens")


async def test_what_a_search_does_not_weigh_gets_its_ranks(source, tool) -> None:
    def crowd() -> None:
        texts = {
            f"n{number}": f"# Note {number}\n\nThe office in Riga opens at nine, says note {number}."
            for number in range(230)
        }
        hand_in(source, **texts)

    await in_database(crowd)
    told = await why(await asked(), "Pets")

    assert told.stage == "search"
    assert told.reason.startswith("Ranked too low: rank 2")
    assert "none by words" in told.reason
    assert told.setting == "search_mode"
    assert 0 <= float(fact(told, "By meaning")) <= 1


async def test_by_words_only_what_shares_none_is_not_found(tool) -> None:
    told = await why(await asked(search_mode="words"), "Pets")

    assert told.stage == "search"
    assert told.reason == "It shares no word with the question, and only words were searched."


async def test_a_filter_is_told_with_what_the_document_says(source, tool) -> None:
    def give_countries() -> None:
        for name, country in (("riga", "LV"), ("berlin", "DE")):
            text = f"# {name}\n\nThe office opens."
            index(source, [PushedDocument(remote_id=name, text=text, metadata={"country": country})])

    await in_database(give_countries)
    trace_id = await filtered({"country": "LV"})

    told = await why(trace_id, "berlin")

    assert told.stage == "filter"
    assert told.reason == "Excluded by the filter `country = LV`, and it says country = DE."
    assert ("filter", 1) in [(step.stage, step.count) for step in told.funnel]
    assert (await why(trace_id, "Pets")).reason.endswith("and it says country = nothing.")


async def filtered(filter) -> UUID:
    """A search of the office with a filter, traced as tools trace theirs."""
    with tracing.trace(feature="search", slug="office", summary=QUESTION) as record:
        await retrieval.search(QUESTION, sources=["office"], limit=5, filter=filter)
    await in_database(tracing.flush)
    return record.id


async def test_a_document_that_the_person_may_not_see_is_told_to_those_who_may(source, tool) -> None:
    await in_database(lambda: Document.objects.filter(remote_id="pets").update(groups=["hr"]))
    with acting_as(SYSTEM.acting_for("anna@example.com", ["sales"])):
        trace_id = await asked()

    told = await why(trace_id, "Pets")

    assert told.stage == "permission"
    assert told.reason.startswith("anna@example.com may not see it: it is for “hr”")
    assert told.setting_url == f"/admin/knowledge/document/{told.document.id}/change/"


async def test_who_may_not_see_a_document_learns_nothing_of_it(source, tool) -> None:
    await in_database(lambda: Document.objects.filter(remote_id="pets").update(groups=["hr"]))
    anna = SYSTEM.acting_for("anna@example.com", ["sales"])
    with acting_as(anna):
        trace_id = await asked()
        hidden, made_up = await why(trace_id, "Pets"), await why(trace_id, "Pots")
        near = await why(trace_id, "Pets and other animals")

    assert hidden == made_up == near
    assert (hidden.stage, hidden.documents) == ("never_synced", ())
    whole = await asked()
    with acting_as(anna), pytest.raises(NotAllowed):
        await why(whole, "Opening hours")


async def test_what_was_changed_since_is_compared_as_it_is_now(source, tool) -> None:
    trace_id = await asked(passage_count=1)
    await in_database(lambda: hand_in(source, pets="# Pets\n\nThe office in Riga opens for cats at nine."))

    told = await why(trace_id, "Pets")

    assert told.stage == "changed_since"
    assert "As it is now, it comes at place " in told.reason
    assert "after this answer" in fact(told, "Indexed again")


async def test_an_answer_of_an_earlier_version_says_so(tool) -> None:
    first = await asked()
    await asked(passage_count=1)

    assert fact(await why(first, "Pets"), "Settings") == "version 1; version 2 is live now"

"""A large sync that costs money says what it will take, and waits for a word before it begins."""

import pytest

from knowledge import sync
from magnet.models import AIModel, AuditEntry
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def wiki(tmp_path, settings):
    settings.FOLDER_ROOTS, settings.MEDIA_ROOT = [tmp_path], tmp_path / "media"
    settings.ASK_ABOVE_DOCUMENTS = 3
    folder = tmp_path / "wiki"
    folder.mkdir()
    return folder


@pytest.fixture
def paid(fake_openai):
    return AIModel.objects.create(
        provider=factories.openai_provider(fake_openai.base_url), slug="paid", name="Paid", model_name="embed-paid",
        purpose="embedding", dimensions=64, input_price="0.5",
    )  # fmt: skip


def write(folder, count: int) -> None:
    for number in range(count):
        (folder / f"{number}.md").write_text(f"All about the number {number}.")


def test_nothing_is_embedded_before_somebody_agrees(wiki, paid, fake_openai):
    write(wiki, 5)
    source = factories.folder_source(wiki, embedding_model=paid)

    run = factories.sync_now(source)

    assert run.status == "waiting_for_approval"
    assert "would embed 5 documents" in run.question
    assert "$0.01" in run.question
    assert (run.forecast["documents"], run.done, fake_openai.requests) == (5, 0, [])

    run = sync.run_to_end(sync.approve(run))
    assert (run.remark, run.status) == ("", "done")
    assert (run.receipt["live"], run.question) == (5, "")
    assert AuditEntry.objects.filter(verb="approved the cost of").exists()


def test_a_few_more_since_then_need_no_second_word_and_many_do(wiki, paid):
    write(wiki, 20)
    source = factories.folder_source(wiki, embedding_model=paid)
    run = factories.sync_now(source)
    write(wiki, 21)
    assert sync.run_to_end(sync.approve(run)).status == "done"

    write(wiki, 60)
    assert factories.sync_now(source).status == "waiting_for_approval"


def test_a_refused_run_leaves_what_it_found_waiting(wiki, paid):
    write(wiki, 5)
    source = factories.folder_source(wiki, embedding_model=paid)

    cancelled = sync.cancel(factories.sync_now(source))

    assert cancelled.receipt["pending"] == 5
    assert factories.sync_now(source).status == "waiting_for_approval"


@pytest.mark.parametrize("count", [3, 5])
def test_what_is_small_or_free_is_not_asked(wiki, paid, count):
    write(wiki, count)
    model = paid if count == 3 else factories.local_embedding()
    assert factories.sync_now(factories.folder_source(wiki, embedding_model=model)).status == "done"


def test_what_somebody_hands_in_is_not_asked(settings, tmp_path, paid):
    settings.MEDIA_ROOT, settings.ASK_ABOVE_DOCUMENTS = tmp_path, 1
    run = factories.push(factories.source(embedding_model=paid), a="One.", b="Two.", c="Three.")
    assert run.status == "done"

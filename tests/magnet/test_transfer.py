"""Moving configuration: out as a file that people read, in as a plan, and then all of it or nothing."""

from __future__ import annotations

from typing import Any

import pytest

from knowledge.models import KnowledgeSource
from magnet import transfer
from magnet.callers import Caller, acting_as
from magnet.default_prompts import ensure_default_prompts
from magnet.errors import Conflict, InvalidInput, NotAllowed, NotFound
from magnet.models import AIModel, AuditEntry, PromptTemplate, Provider
from tests import factories
from tests.fixtures_transfer import SECRETS, empty_the_house, enter_secrets, everything
from tools_app.models import ApiServer, ApiTool, RagTool

pytestmark = pytest.mark.django_db


def exported(*named: str, **options: Any) -> str:
    return transfer.export([transfer.reference(each) for each in named], **options)


def imported(document: str, *, publish: bool = False) -> transfer.Plan:
    return transfer.apply(transfer.read(document), publish=publish)


def states(plan: transfer.Plan) -> dict[str, str]:
    return {str(step.reference): step.state for step in plan.steps}


def changes(plan: transfer.Plan) -> list[tuple[str, str, str]]:
    return [(change.field, change.before, change.after) for step in plan.steps for change in step.changes]


# -- Out -----------------------------------------------------------------------------------------------------------


def test_a_tool_brings_everything_that_it_depends_on(house):
    held = [str(each) for each in transfer.read(exported("rag-tools/help-desk"))]

    assert {"rag-tools/help-desk", "prompt-templates/polite", "knowledge-sources/wiki"} <= set(held)
    assert {"models/large", "models/small", "providers/cloud", "providers/built-in"} <= set(held)
    assert not {"api-servers/shop", "retrieval-tools/find"} & set(held)
    assert held.index("providers/cloud") < held.index("models/large") < held.index("rag-tools/help-desk")


def test_default_templates_go_with_the_tools_that_use_them_once_somebody_has_changed_them(house):
    ensure_default_prompts()
    settings = {"sources": [house["wiki"]], "rewrites_question": True}
    RagTool.objects.create_live(name="Plain", slug="plain", settings=settings)
    untouched = {str(each) for each in transfer.read(exported("rag-tools/plain"))}

    for slug in ("rag-answer", "rewrite-question", "several-queries"):
        template = PromptTemplate.objects.get(slug=slug)
        template.edit({"instructions": "Ours."})
        template.publish()
    changed = {str(each) for each in transfer.read(exported("rag-tools/plain"))}
    named = {str(each) for each in transfer.read(exported("rag-tools/help-desk"))}

    assert not [each for each in untouched if each.startswith("prompt-templates/")]
    assert changed - untouched == {"prompt-templates/rag-answer", "prompt-templates/rewrite-question"}
    assert {each for each in named if each.startswith("prompt-templates/")} == {"prompt-templates/polite"}


def test_what_the_other_side_has_may_be_left_out(house):
    without = [str(each) for each in transfer.read(exported("rag-tools/help-desk", without=["models", "providers"]))]
    alone = [str(each) for each in transfer.read(exported("api-tools/orders", with_dependencies=False))]

    assert without == ["prompt-templates/polite", "knowledge-sources/wiki", "rag-tools/help-desk"]
    assert alone == ["api-tools/orders"]


def test_no_secret_leaves_the_house(house):
    document = everything()

    encrypted = [
        house["cloud"].encrypted_api_key,
        *(house[name].encrypted_secrets for name in ("wiki", "shop", "desk")),
    ]
    assert all(encrypted)
    assert [secret for secret in (*SECRETS, *encrypted) if secret in document] == []
    assert document.count("secret: set-by-hand") == 4


def test_two_exports_of_the_same_state_are_the_same_bytes(house):
    first = everything()
    house["wiki"].tags.set(["Riga", "help"])

    assert everything() == first
    assert first.startswith("magnet: 1\nproviders:\n")


def test_texts_are_written_as_people_write_them(house):
    document = exported("prompt-templates/polite", with_dependencies=False)

    assert "prompt: |-\n        Be polite.\n\n          Answer {question}\n        from {passages}\n" in document
    assert document in exported("prompt-templates/polite", without=["models"])


@pytest.mark.parametrize(
    "text",
    ["1e3", "yes", "no", "null", "~", "0x1f", "007", "2026-11-22", "", " a ", "\n", "a\n\n", "  a\n b \n", "\ta\n\tb",
     "<<", "=", "a: b", "# a", "- a", "a\r\nb", "\u2028x\ny", "ķ🐄\n", "---\na", "%a\n", "|\n>", "'\"\n\\", "\x07\n"],
)  # fmt: skip
def test_every_text_comes_back_as_it_was(house, text):
    PromptTemplate.objects.filter(slug="polite").update(notes=text, description=text)

    plan = transfer.plan(transfer.read(exported("prompt-templates/polite")))

    read = transfer.read(exported("prompt-templates/polite", with_dependencies=False))
    assert [described["notes"] for described in read.values()] == [text]
    assert set(states(plan).values()) == {"unchanged"}


def test_who_may_not_see_a_kind_does_not_export_it(house):
    with acting_as(Caller(kind="key", scopes=frozenset({"rag-tools:read", "knowledge-sources:read"}))):
        with pytest.raises(NotAllowed, match=r"prompt-templates:read|models:read"):
            exported("rag-tools/help-desk")
        alone = exported("rag-tools/help-desk", with_dependencies=False)

    assert "help-desk:" in alone


def test_a_wrong_name_is_named():
    with pytest.raises(NotFound, match="There is no RAG tool “nobody”"):
        exported("rag-tools/nobody")
    with pytest.raises(InvalidInput, match="Known are: providers, models"):
        exported("spaceships/one")
    with pytest.raises(InvalidInput, match="Write kind/slug"):
        exported("help-desk")


# -- There and back --------------------------------------------------------------------------------------------------


def test_an_emptied_house_is_furnished_again_by_its_export(house):
    document = everything()
    empty_the_house()

    plan = imported(document, publish=True)

    assert set(states(plan).values()) == {"create"}
    assert len(plan.to_do) == 4
    enter_secrets()
    assert everything() == document
    orders = ApiTool.objects.get(slug="orders")
    assert (orders.edited, orders.imported["description"]) == (["description"], "As they say it")


def test_to_import_twice_changes_nothing_more(house):
    document = everything()
    empty_the_house()
    imported(document)
    entries = AuditEntry.objects.count()

    again = imported(document)

    assert set(states(again).values()) == {"unchanged"}
    assert AuditEntry.objects.count() == entries


def test_what_is_here_already_is_unchanged(house):
    plan = imported(everything(), publish=True)

    assert set(states(plan).values()) == {"unchanged"}
    assert plan.to_do == []


# -- Versions --------------------------------------------------------------------------------------------------------


def test_an_import_makes_a_draft_and_callers_notice_nothing(house):
    document = exported("rag-tools/help-desk").replace("passage_count: 5", "passage_count: 7")

    plan = imported(document)

    tool = RagTool.objects.get(slug="help-desk")
    assert (tool.live.number, tool.live.passage_count) == (1, 5)
    assert (tool.draft.number, tool.draft.passage_count, tool.draft.note) == (2, 7, "Imported")
    assert changes(plan) == [("draft.passage_count", "5", "7")]
    assert tool.draft.source_slugs() == ["wiki"]


def test_an_import_is_published_when_asked_and_can_be_undone(house):
    document = exported("rag-tools/help-desk").replace("passage_count: 5", "passage_count: 7")

    plan = imported(document, publish=True)

    tool = RagTool.objects.get(slug="help-desk")
    assert (tool.live.passage_count, tool.draft) == (7, None)
    assert changes(plan) == [("live.passage_count", "5", "7")]
    tool.undo()
    assert RagTool.objects.get(slug="help-desk").live.passage_count == 5


def test_a_draft_of_an_import_is_published_by_importing_it_again(house):
    document = exported("rag-tools/help-desk").replace("passage_count: 5", "passage_count: 7")
    imported(document)

    imported(document, publish=True)

    tool = RagTool.objects.get(slug="help-desk")
    assert (tool.live.number, tool.live.passage_count, tool.draft) == (2, 7, None)


def test_the_draft_of_somebody_here_is_not_lost(house):
    document = exported("rag-tools/help-desk").replace("passage_count: 5", "passage_count: 7")
    house["tool"].edit({"passage_count": 9})

    imported(document, publish=True)
    tool = RagTool.objects.get(slug="help-desk")
    assert (tool.live.passage_count, tool.draft.passage_count) == (7, 9)

    imported(document.replace("passage_count: 7", "passage_count: 8"))
    tool = RagTool.objects.get(slug="help-desk")
    assert (tool.draft.passage_count, [v.passage_count for v in tool.versions.all()]) == (8, [8, 7, 9, 5])


def test_who_may_not_publish_makes_drafts_only(house):
    document = exported("rag-tools/help-desk", with_dependencies=False).replace("passage_count: 5", "passage_count: 7")

    with acting_as(Caller(kind="key", scopes=frozenset({"rag-tools:write"}))):
        with pytest.raises(NotAllowed, match="rag-tools:publish"):
            imported(document, publish=True)
        imported(document)

    assert RagTool.objects.get(slug="help-desk").live.passage_count == 5


# -- Nothing by halves -----------------------------------------------------------------------------------------------


def test_a_plan_changes_nothing(house):
    document = everything()
    empty_the_house()
    entries = AuditEntry.objects.count()

    plan = transfer.plan(transfer.read(document))

    assert plan.is_possible
    assert (Provider.objects.count(), RagTool.objects.count(), AuditEntry.objects.count()) == (0, 0, entries)


def test_what_nobody_has_is_named_and_nothing_is_imported(house):
    document = exported("rag-tools/help-desk", without=["knowledge-sources/wiki"])
    empty_the_house()

    plan = transfer.plan(transfer.read(document))
    with pytest.raises(Conflict, match="rag-tools/help-desk needs knowledge-sources/wiki"):
        imported(document)

    assert states(plan)["rag-tools/help-desk"] == "missing"
    assert states(plan)["prompt-templates/polite"] == "create"
    assert Provider.objects.count() == 0


def test_one_thing_that_does_not_fit_stops_all_others(house):
    document = everything().replace("temperature: 0.2", "temperature: 20.5")
    document = document.replace("name: Shop", "name: Shop of ours")

    with pytest.raises(Conflict, match=r"prompt-templates/polite: temperature"):
        imported(document)

    assert ApiServer.objects.get(slug="shop").name == "Shop"


def test_each_change_is_on_record(house):
    with acting_as(Caller(kind="key", id="7", label="Pipeline", scopes=frozenset({"all"}))):
        imported(everything().replace("name: Shop\n", "name: Shop of ours\n"))

    entry = AuditEntry.objects.get(verb="imported")
    assert (entry.actor_label, entry.object_label, entry.changes["fields"]) == ("Pipeline", "Shop of ours", ["name"])


def test_who_may_not_write_a_kind_does_not_import_it(house):
    document = exported("rag-tools/help-desk", without=["models", "providers"])

    key = Caller(kind="key", scopes=frozenset({"rag-tools:write", "prompt-templates:write"}))
    with acting_as(key), pytest.raises(NotAllowed, match="knowledge-sources:write"):
        transfer.plan(transfer.read(document))


# -- Secrets and defaults --------------------------------------------------------------------------------------------


def test_secrets_that_are_here_stay_unless_they_would_go_elsewhere(house):
    document = everything().replace("name: Shop\n", "name: Shop of ours\n")
    imported(document)
    assert ApiServer.objects.get(slug="shop").secrets == {"token": SECRETS[1]}

    document = everything().replace("https://shop.example.com", "https://evil.example.com")
    plan = imported(document.replace("https://models.example.com", "https://evil.example.com"))

    assert ApiServer.objects.get(slug="shop").secrets == {}
    assert Provider.objects.get(slug="cloud").api_key == ""
    assert [sentence.split(" of ")[0] for sentence in plan.to_do] == ["Enter the secret"] * 2


def test_a_key_of_the_environment_goes_by_its_name_and_to_its_own_host_only(db, settings):
    settings.PROVIDER_KEYS = {}
    Provider.objects.create(name="OpenAI", slug="openai", kind="openai", api_key_variable="OPENAI_API_KEY")
    document = exported("providers/openai")
    Provider.objects.all().delete()

    plan = imported(document)

    assert "secret:\n      from_env: OPENAI_API_KEY\n" in document
    assert Provider.objects.get(slug="openai").api_key_variable == "OPENAI_API_KEY"
    assert "Set the environment variable OPENAI_API_KEY" in plan.to_do[0]
    with pytest.raises(Conflict, match="providers/openai"):
        imported(document.replace("base_url: ''", "base_url: https://evil.example.com"))


def test_a_secret_that_somebody_wrote_into_the_file_is_refused(house):
    document = everything().replace("secret: set-by-hand", "secret: sk-live-123", 1)

    with pytest.raises(Conflict, match="Secrets do not stand in files") as refused:
        imported(document)

    assert "sk-live-123" not in str(refused.value.extra)


def test_the_default_model_that_was_chosen_here_stays(house):
    large = AIModel.objects.get(slug="large")
    large.make_default()
    document = exported("models/large")
    AIModel.objects.get(slug="small").make_default()

    plan = imported(document)

    assert AIModel.objects.default_for("chat").slug == "small"
    assert "stays “Small”" in next(step for step in plan.steps if step.reference.slug == "large").notes[0]


def test_an_installation_that_only_quotes_takes_the_default_of_the_file(house):
    AIModel.objects.get(slug="large").make_default()
    document = exported("models/large")
    empty_the_house()
    factories.local_embedding()

    imported(document)

    assert AIModel.objects.default_for("chat").slug == "large"


def test_models_that_stand_in_for_each_other_find_each_other(house):
    AIModel.objects.filter(slug="small").update(fallback=AIModel.objects.get(slug="large"))
    document = exported("models/small")
    empty_the_house()

    imported(document)

    assert {m.slug: m.fallback.slug for m in AIModel.objects.filter(provider__slug="cloud")} == {
        "small": "large",
        "large": "small",
    }


def test_what_is_chosen_once_is_not_changed_by_a_file(house):
    with pytest.raises(Conflict, match="knowledge-sources/wiki: connector: It is “upload” here"):
        imported(exported("knowledge-sources/wiki").replace("connector: upload", "connector: folder"))

    assert KnowledgeSource.objects.get(slug="wiki").connector == "upload"

"""The command line: keys, syncs, questions and the demo, as a person at a terminal sees them."""

from __future__ import annotations

import io
import json
from decimal import Decimal

import pytest
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command

from knowledge.models import KnowledgeSource, SyncRun
from magnet.database import forget_configuration
from magnet.models import AIModel, ApiKey, AuditEntry, PromptTemplate, Trace, User
from magnet.models.access import hash_secret
from tests import factories
from tools_app.models import RagTool

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def fresh_configuration(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path / "media"
    forget_configuration()
    yield
    forget_configuration()


@pytest.fixture
def handbook(settings, tmp_path):
    """A handbook of two pages in the place of the real one."""
    folder = tmp_path / "docs" / "handbook"
    folder.mkdir(parents=True)
    (folder / "sources.md").write_text("# Sources\n\n## How do I add a source?\n\nPress Add and choose a connector.\n")
    (folder / "people.md").write_text("# People\n\nOwners invite people by a link.\n")
    settings.BASE_DIR, settings.FOLDER_ROOTS = tmp_path, [tmp_path / "docs"]
    return folder


def run(*arguments: str, **options) -> tuple[str, str]:
    """What a command writes to standard output and to standard error."""
    out, err = io.StringIO(), io.StringIO()
    call_command(*arguments, stdout=out, stderr=err, **options)
    return out.getvalue(), err.getvalue()


class TestCreateApiKey:
    def test_the_key_stands_alone_on_standard_output(self) -> None:
        out, err = run("create_api_key", "CRM", "--scopes", "rag-tools:run, traces:read")

        key = ApiKey.objects.get(secret_hash=hash_secret(out.strip()))
        assert out == f"{out.strip()}\n"
        assert (key.name, key.scopes, key.expires_at, key.owner) == (
            "CRM",
            ["rag-tools:run", "traces:read"],
            None,
            None,
        )
        assert "CRM" in err
        assert out.strip() not in err
        assert AuditEntry.objects.filter(verb="made", object_id=str(key.pk)).exists()

    def test_a_key_expires_and_belongs_to_somebody(self) -> None:
        owner = User.objects.create_user("Ann@example.com")
        out, _ = run("create_api_key", "CRM", "--scopes", "all", "--expires-days", "30", "--owner", "ann@EXAMPLE.com")

        key = ApiKey.objects.get(secret_hash=hash_secret(out.strip()))
        assert key.owner == owner
        assert 29 <= ((key.expires_at or key.created_at) - key.created_at).days <= 30

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (
                ["--scopes", "rag-tools:run,everything"],
                "Unknown scopes: everything. The known ones are: prov",
            ),
            (["--scopes", " , "], "Name at least one scope"),
            (["--scopes", "all", "--expires-days", "0"], "A key expires after 1 to 36500 days."),
            (["--scopes", "all", "--owner", "nobody@example.com"], "Nobody active has the e-mail address nobody@"),
        ],
    )
    def test_what_does_not_fit_is_said_and_no_key_is_made(self, arguments, sentence) -> None:
        with pytest.raises(CommandError, match=sentence):
            run("create_api_key", "CRM", *arguments)
        assert not ApiKey.objects.exists()


class TestDemo:
    def test_seeds_what_an_installation_needs_and_answers_at_once(self, handbook) -> None:
        run("demo")

        assert AIModel.objects.default_for("chat").slug == "extractive"
        assert PromptTemplate.objects.filter(slug="rag-answer", live__number=1).exists()
        assert set(Group.objects.values_list("name", flat=True)) == {
            "Owner",
            "Editor",
            "Publisher",
            "Analyst",
            "Viewer",
        }
        assert KnowledgeSource.objects.get(slug="handbook").runs.get().status == SyncRun.Status.DONE
        out, _ = run("ask", "handbook", "How do I add a source?")
        assert "Press Add and choose a connector." in out

    def test_what_was_deleted_or_changed_does_not_come_back(self, handbook) -> None:
        run("demo")
        RagTool.objects.get(slug="handbook").delete()
        KnowledgeSource.objects.get(slug="handbook").delete()
        Group.objects.get(name="Viewer").permissions.clear()

        out, _ = run("demo")

        assert "stays deleted" in out
        assert not RagTool.objects.exists()
        assert not KnowledgeSource.objects.exists()
        assert not Group.objects.get(name="Viewer").permissions.exists()

    def test_twice_makes_nothing_twice(self, handbook) -> None:
        run("demo")
        run("demo")
        assert (RagTool.objects.count(), KnowledgeSource.objects.count(), SyncRun.objects.count()) == (1, 1, 1)

    def test_a_handbook_that_cannot_be_read_stops_nothing(self, handbook, settings, tmp_path) -> None:
        settings.FOLDER_ROOTS = [tmp_path / "elsewhere"]
        _, err = run("demo")
        assert "MAGNET_FOLDER_ROOTS" in err
        assert RagTool.objects.filter(slug="handbook").exists()


class TestSync:
    def test_tells_the_progress_and_the_receipt(self, handbook) -> None:
        factories.folder_source(handbook, "wiki")
        (handbook / "people.md").write_bytes(b"")

        out, err = run("sync", "wiki")

        assert "of 2 documents" in out
        assert "2 added, 0 changed, 0 unchanged, 0 deleted." in out
        assert "2 documents: 1 live, 0 stale, 1 failed, 0 excluded." in out
        assert "people" in err

    def test_a_second_sync_finds_nothing_to_do(self, handbook) -> None:
        factories.folder_source(handbook, "wiki")
        run("sync", "wiki")
        out, _ = run("sync", "wiki")
        assert "Nothing has changed." in out
        assert "0 added, 0 changed, 2 unchanged, 0 deleted." in out

    def test_a_sync_that_fails_says_why(self, handbook, settings, tmp_path) -> None:
        factories.folder_source(handbook, "wiki")
        settings.FOLDER_ROOTS = [tmp_path / "elsewhere"]
        with pytest.raises(CommandError, match="MAGNET_FOLDER_ROOTS") as failed:
            run("sync", "wiki")
        assert failed.value.returncode == 1

    def test_deletions_beyond_the_guard_wait_for_somebody(self, handbook) -> None:
        factories.folder_source(handbook, "wiki")
        run("sync", "wiki")
        (handbook / "people.md").unlink()
        with pytest.raises(CommandError, match="would delete 1 document, more than the limit of 20 %"):
            run("sync", "wiki")

    def test_an_unknown_source_is_named_with_those_that_exist(self, handbook) -> None:
        factories.folder_source(handbook, "wiki")
        with pytest.raises(CommandError, match=r"no knowledge source “wikki”\. There are: wiki\."):
            run("sync", "wikki")


class TestAsk:
    @pytest.fixture(autouse=True)
    def tool(self, handbook):
        run("demo")
        return RagTool.objects.get(slug="handbook")

    def test_writes_the_answer_then_its_sources(self) -> None:
        out, _ = run("ask", "handbook", "How do I add a source?")

        answer, _, sources = out.partition("\nSources\n")
        assert "choose a connector." in answer
        assert "[1] Sources › How do I add a source?" in sources
        assert "No language model is configured" in sources
        assert "handbook version 1 · extractive" in sources

    def test_the_trace_is_kept_when_the_command_has_ended(self) -> None:
        run("ask", "handbook", "How do I add a source?")
        trace = Trace.objects.get(feature="rag_tool")
        assert (trace.slug, trace.caller_label) == ("handbook", "Command line")

    def test_json_is_the_answer_of_the_api(self) -> None:
        out, _ = run("ask", "handbook", "How do I add a source?", "--json")

        answer = json.loads(out)
        assert "choose a connector." in answer["text"]
        assert answer["passages"][0]["document"]["title"] == "Sources"
        assert answer["is_extractive"] is True
        assert Decimal(answer["cost"]) == 0

    def test_another_version_can_be_asked(self, tool) -> None:
        tool.edit({"passage_count": 1})
        out, _ = run("ask", "handbook", "Who invites people?", "--json", "--version", "2")
        assert (json.loads(out)["version"], len(json.loads(out)["passages"])) == (2, 1)

    def test_a_written_answer_is_not_called_a_quotation(self, fake_openai) -> None:
        provider = factories.openai_provider(fake_openai.base_url)
        model = AIModel.objects.create(
            provider=provider, slug="gpt-fake", name="GPT fake", model_name="gpt-fake", purpose="chat"
        )
        model.make_default()
        forget_configuration()

        out, _ = run("ask", "handbook", "How do I add a source?")

        assert "gpt-fake" in out
        assert "No language model" not in out

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (["nowhere", "Why?"], "There is no RAG tool “nowhere”."),
            (["handbook", "Why?", "--version", "9"], "no version 9"),
            (["handbook", " "], "The question is empty."),
        ],
    )
    def test_what_does_not_fit_is_said(self, arguments, sentence) -> None:
        with pytest.raises(CommandError, match=sentence):
            run("ask", *arguments)

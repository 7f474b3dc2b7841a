"""Moving configuration on the command line and over the API: the same plan, the same rights."""

from __future__ import annotations

import httpx
import pytest
from django.core.management import CommandError, call_command

from magnet.database import in_database
from magnet.models import PromptTemplate
from tests.fixtures_api import bearer
from tools_app.models import RagTool

DESK = "rag-tools/help-desk"


@pytest.mark.django_db
def test_a_file_is_written_planned_and_imported(house, tmp_path, capsys):
    file = tmp_path / "desk.yaml"
    call_command("export", DESK, "-o", str(file))
    file.write_text(file.read_text().replace("passage_count: 5", "passage_count: 7"))

    call_command("import", str(file), "--dry-run", "--publish")
    planned = capsys.readouterr().out
    assert RagTool.objects.get().live.passage_count == 5
    call_command("import", str(file), "--publish")

    assert RagTool.objects.get().live.passage_count == 7
    assert "change     rag-tools/help-desk\n  live.passage_count: “5” → “7”" in planned
    assert "Imported." in capsys.readouterr().out


@pytest.mark.django_db
def test_a_file_with_something_missing_ends_with_status_1(house, tmp_path, capsys):
    file = tmp_path / "desk.yaml"
    call_command("export", "--all", "--without", "providers/cloud", "-o", str(file))
    file.write_text(file.read_text().replace("provider: cloud", "provider: sky"))

    for more in ([], ["--dry-run"]):
        with pytest.raises(SystemExit) as ended:
            call_command("import", str(file), *more)
        assert ended.value.code == 1

    assert "needs providers/sky, which is neither here nor in the file" in capsys.readouterr().out


@pytest.mark.django_db
def test_the_commands_say_what_is_wrong(house, tmp_path):
    with pytest.raises(CommandError, match="or give --all"):
        call_command("export")
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("import", str(tmp_path / "none.yaml"))
    with pytest.raises(CommandError, match="There is no RAG tool"):
        call_command("export", "rag-tools/nobody")


@pytest.mark.django_db(transaction=True)
async def test_a_key_moves_what_it_could_write_by_hand(house, anonymous: httpx.AsyncClient, issue_key):
    anonymous.headers.update(bearer(await in_database(issue_key, "prompt-templates:read", "prompt-templates:write")))

    alone = await anonymous.get("/api/export", params={"object": "prompt-templates/polite", "dependencies": False})
    refused = await anonymous.get("/api/export", params={"object": "prompt-templates/polite"})
    document = alone.text.replace("category: Support", "category: Sales")
    plan = await anonymous.post("/api/import", json={"document": document, "dry_run": True})
    done = await anonymous.post("/api/import", json={"document": document})
    foreign = await anonymous.post("/api/import", json={"document": "magnet: 1\nproviders: {a: {name: A}}"})

    assert alone.headers["Content-Type"].startswith("application/yaml")
    assert (refused.status_code, refused.json()["scope"]) == (403, "models:read")
    assert plan.json()["steps"][0]["changes"] == [{"field": "category", "before": "Support", "after": "Sales"}]
    assert (done.status_code, done.json()["dry_run"]) == (200, False)
    assert (foreign.status_code, foreign.json()["scope"]) == (403, "providers:write")
    assert (await PromptTemplate.objects.aget(slug="polite")).category == "Sales"


@pytest.mark.django_db(transaction=True)
async def test_a_refused_import_comes_with_its_plan(api):
    answer = await api.post("/api/import", json={"document": {"magnet": 1, "models": {"a": {"provider": "x"}}}})
    unknown = await api.get("/api/export")

    assert (answer.status_code, unknown.status_code) == (409, 422)
    assert answer.json()["plan"]["steps"][0]["missing"] == ["providers/x"]


@pytest.mark.django_db(transaction=True)
async def test_nobody_moves_anything_without_a_key(anonymous):
    assert (await anonymous.get("/api/export?all=true")).status_code == 401
    assert (await anonymous.post("/api/import", json={"document": "magnet: 1"})).status_code == 401

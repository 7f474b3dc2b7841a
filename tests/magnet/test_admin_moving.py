"""Moving configuration in the admin: where a thing is used, a file of it, and the way in by a plan."""

from __future__ import annotations

import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from magnet.models import AIModel
from tools_app.models import RagTool

pytestmark = pytest.mark.django_db
MOVE = "/admin/move/"


def test_each_thing_says_which_versions_of_what_use_it(owner, house):
    house["tool"].edit({"ai_model": None})
    house["tool"].edit({"passage_count": 7})
    small = AIModel.objects.get(slug="small")

    page = owner.get(reverse("admin:magnet_aimodel_used", args=[small.pk])).content.decode()

    assert "Help desk" in page
    assert "live version 1" in page
    assert "draft, version 2" not in page
    assert "Large" in page
    assert "Wiki" in page


@pytest.mark.parametrize("name", ["cloud", "template", "wiki", "tool", "shop", "desk"])
def test_each_thing_can_be_exported_from_its_page(owner, house, name):
    row = house[name]
    page = f"admin:{row._meta.app_label}_{row._meta.model_name}"

    shown = owner.get(reverse(f"{page}_used", args=[row.pk])).content.decode()
    file = owner.get(reverse(f"{page}_export", args=[row.pk]))

    assert reverse(f"{page}_export", args=[row.pk]) in shown
    assert file.content.decode().startswith("magnet: 1\n")
    assert file["Content-Disposition"] == f'attachment; filename="magnet-{row.slug}.yaml"'


def test_a_list_exports_what_is_selected(owner, house):
    chosen = {"action": "export", "_selected_action": [house["tool"].pk]}

    file = owner.post(reverse("admin:tools_app_ragtool_changelist"), chosen)

    assert "\nrag-tools:\n  help-desk:\n" in file.content.decode()


def test_a_file_is_looked_at_and_then_imported(owner, house):
    tool = house["tool"]
    file = owner.get(reverse("admin:tools_app_ragtool_export", args=[tool.pk])).content.decode()
    file = file.replace("passage_count: 5", "passage_count: 7")

    upload = SimpleUploadedFile("desk.yaml", file.encode())
    plan = owner.post(MOVE, {"file": upload, "publish": "on"}).content.decode()
    assert "<b>Live: passages</b>" in plan
    assert re.search(r'>5</del> → <ins class="mg-long">7</ins>', plan)
    assert RagTool.objects.get().live.passage_count == 5
    done = owner.post(MOVE, {"document": file, "publish": "on", "apply": "1"}, follow=True).content.decode()

    assert RagTool.objects.get().live.passage_count == 7
    assert "0 new, 1 changed" in done


def test_a_file_that_is_none_is_refused_in_a_sentence(owner):
    assert "no exported configuration" in owner.post(MOVE, {"document": "hello"}).content.decode()
    assert "Choose a file" in owner.post(MOVE, {}).content.decode()


def test_an_editor_imports_what_editors_may_change(member, house):
    editor = member("Editor")

    refused = editor.post(MOVE, {"document": "magnet: 1\nproviders: {a: {name: A, kind: openai}}", "apply": "1"})
    taken = editor.post(MOVE, {"document": "magnet: 1\nrag-tools: {help-desk: {description: X}}", "apply": "1"})

    assert "needs the scope providers:write" in refused.content.decode()
    assert (taken.status_code, RagTool.objects.get().description) == (302, "X")
    assert member("Viewer").get(MOVE).status_code == 403


def test_a_plan_that_is_out_of_date_is_shown_anew_and_not_carried_out(owner, house):
    file = "magnet: 1\nrag-tools: {help-desk: {description: X}}"
    plan = owner.post(MOVE, {"document": file}).content.decode()
    seen = re.search(r'name="seen" value="([0-9a-f]{64})"', plan)[1]
    RagTool.objects.update(description="Y")

    page = owner.post(MOVE, {"document": file, "seen": seen, "apply": "1"}).content.decode()

    assert "Look at it once more" in page
    assert "What the import would do" in page
    assert RagTool.objects.get().description == "Y"


def test_a_plan_says_which_of_two_versions_becomes_the_only_draft(owner, house):
    file = "magnet: 1\nrag-tools: {help-desk: {live: {passage_count: 7}, draft: {passage_count: 9}}}"

    page = owner.post(MOVE, {"document": file}).content.decode()

    assert "For the draft in the file, publish that first, then import the file again." in page
    assert "<b>Draft: passages</b>" in page

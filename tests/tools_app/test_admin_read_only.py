"""What people see who may only look: the settings of a tool, a prompt template and a source, in words."""

import re
from html import unescape

import pytest
from django.urls import reverse

from knowledge.models import KnowledgeSource
from magnet.models import PromptTemplate
from tests import factories
from tools_app.models import RagTool

pytestmark = pytest.mark.django_db


def settings_on(response):
    """What the page says under each label."""
    page = response.content.decode()
    form = page[page.index("<form x-data=") if "<form x-data=" in page else page.index('id="content-main"') :]
    pairs = re.findall(r"<label[^>]*>(.*?)</label>.*?<div class=\"[^\"]*\breadonly\b[^\"]*\">(.*?)</div>", form, re.S)
    bare = {label: re.sub(r"<br>", "\n", value) for label, value in pairs}
    return {unescape(label).strip(): unescape(re.sub(r"<[^>]+>", "", text)).strip() for label, text in bare.items()}


def looked_at(client, obj):
    response = client.get(reverse(f"admin:{obj._meta.app_label}_{obj._meta.model_name}_change", args=[obj.pk]))
    assert response.status_code == 200
    # Without the form there is no `schedule` that the script of the page could ask.
    assert 'x-show="schedule' not in response.content.decode()
    return settings_on(response)


def website(**fields):
    config = {"start_url": "https://help.example.com", "mode": "links", "include_paths": ["/help", "/faq"]}
    return factories.source("help", name="Help centre", connector="website", config=config, **fields)


def test_a_viewer_reads_the_settings_of_a_tool(member):
    source = factories.source()
    tool = RagTool.objects.create_live(settings={"sources": [source]}, name="Staff help", slug="staff-help")
    tool.edit({"nothing_found_text": "Ask the desk."}, revision=tool.revision)

    shown = looked_at(member("Viewer"), tool)

    assert shown["Sources"] == source.name
    assert shown["Search by"] == "Meaning and words (best for most)"
    assert (shown["Passages"], shown["When nothing is found"]) == ("5", "Ask the desk.")
    assert (shown["Model"], shown["Prompt template"]) == ("The default", "The default")
    assert "Seen revision" not in shown


def test_a_viewer_reads_the_settings_of_a_prompt_template(member):
    template = PromptTemplate.objects.create_live(
        settings={"instructions": "Be kind.", "prompt": "{{ question }}"}, name="Kind", slug="kind"
    )

    shown = looked_at(member("Viewer"), template)

    assert shown["Instructions"] == "Be kind."


def test_a_viewer_reads_the_settings_of_a_source(member):
    shown = looked_at(member("Viewer"), website())

    assert (shown["Start address"], shown["Only below"]) == ("https://help.example.com", "/help\n/faq")
    assert shown["Find pages"] == "By following the links of each page"
    assert shown["Password"] == "not set"  # what is said instead of one
    # Of the ways to cut, only the chosen one has settings on the page.
    assert shown["How texts are cut"].startswith("Paragraphs")
    assert shown["Longest chunk (tokens)"] == "256"
    assert not [label for label in shown if "_" in label or label.startswith(("Config ", "Chunker "))]


def test_settings_that_another_choice_asks_for_are_left_out(member):
    viewer = member("Viewer")
    assert "Time zone" not in looked_at(viewer, website())

    KnowledgeSource.objects.update(schedule="cron", cron="0 6 * * 1", time_zone="Europe/Paris")
    shown = looked_at(viewer, KnowledgeSource.objects.get())
    assert (shown["Time zone"], shown["Cron expression"]) == ("Europe/Paris", "0 6 * * 1")


def test_a_source_whose_plug_in_is_gone_keeps_its_page(owner):
    source = website()
    KnowledgeSource.objects.update(connector="gone")

    shown = looked_at(owner, source)

    assert shown["Name"] == "Help centre"
    assert shown["How texts are cut"].startswith("Paragraphs")

"""A prompt template asked on its own: variables by their types, JSON proven and repaired once, over the API too."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import pytest

from magnet import gateway, prompt_runs, prompts, tracing
from magnet.callers import SYSTEM, acting_as
from magnet.database import close_raw_pool, forget_configuration, in_database
from magnet.default_prompts import DEFAULT_PROMPTS, ensure_default_prompts
from magnet.errors import InvalidInput, NotConfigured, ProviderAnswerInvalid
from magnet.models import AIModel, PromptTemplate, Span, SpanPayload, Trace
from tests import factories
from tests.fake_openai import Scripted

pytestmark = pytest.mark.django_db(transaction=True)

PICTURE = "data:image/png;base64," + base64.b64encode(b"\x89PNG a very small picture").decode()
MOOD = {
    "type": "object",
    "properties": {"mood": {"enum": ["good", "bad"]}},
    "required": ["mood"],
    "additionalProperties": False,
}


@pytest.fixture
def model(fake_openai) -> AIModel:
    made: AIModel = AIModel.objects.create(
        provider=factories.openai_provider(fake_openai.base_url),
        slug="gpt-fake",
        name="GPT fake",
        model_name="gpt-fake",
        purpose="chat",
        can_see=True,
        input_price=2,
        output_price=8,
    )
    made.make_default()
    return made


@pytest.fixture(autouse=True)
async def leave_nothing_open():
    forget_configuration()
    yield
    forget_configuration()
    await gateway.close_all()
    await close_raw_pool()


def template(slug: str = "letter", **settings) -> PromptTemplate:
    return PromptTemplate.objects.create_live(slug=slug, name="A letter", settings=settings)


async def run(slug: str = "letter", /, **given) -> prompt_runs.PromptReply:
    return await prompt_runs.run(await prompts.load(slug), given)


async def test_variables_are_filled_in_by_their_types_and_defaults(model, fake_openai) -> None:
    variables = [
        {"name": "customer"},
        {"name": "years", "type": "number"},
        {"name": "is_polite", "type": "boolean", "default": True},
        {"name": "points", "type": "list", "is_optional": True},
    ]
    text = "{customer}, {years} years. Polite: {is_polite}.\n{points}"
    await in_database(lambda: template(instructions="Write.", prompt=text, variables=variables))
    fake_openai.script(Scripted(text="Dear Ann …"))

    reply = await run(customer="Ann", years=3.5, points=["one", "two"])

    assert (reply.text, reply.model, reply.data) == ("Dear Ann …", "gpt-fake", None)
    sent = fake_openai.requests[-1].body["messages"]
    assert [message["role"] for message in sent] == ["system", "user"]
    assert sent[1]["content"] == "Ann, 3.5 years. Polite: true.\n- one\n- two"


async def test_what_is_missing_wrong_or_unknown_is_named_before_any_model_is_asked(model, fake_openai) -> None:
    variables = [{"name": "customer"}, {"name": "years", "type": "number"}]
    await in_database(lambda: template(prompt="{customer} {years} {mood}", variables=variables))

    with pytest.raises(InvalidInput) as refused:
        await run(years="many", custommer="Ann")

    assert refused.value.extra["missing"] == ["customer", "mood"]
    errors = refused.value.extra["errors"]
    assert errors["years"] == ["Send a number."]
    assert "no such variable" in errors["custommer"][0]
    assert fake_openai.requests == []


async def test_a_stray_brace_stands_for_itself(model, fake_openai) -> None:
    await in_database(lambda: template(prompt='Write {"a": {b}} and {{c}} } {'))
    fake_openai.script(Scripted(text="ok"))

    await run(b="1")

    assert fake_openai.requests[-1].body["messages"][-1]["content"] == 'Write {"a": 1} and {c} } {'


async def test_examples_and_settings_reach_the_model_that_has_them(model, fake_openai) -> None:
    examples = [{"input": "2+2", "output": "4"}]
    settings: dict[str, Any] = {"prompt": "3+3", "examples": examples, "temperature": 0.5, "top_p": 0.9}
    await in_database(lambda: template(**settings, stop=["END"], reasoning_effort="low", max_output_tokens=50))
    fake_openai.script(Scripted(text="6"))

    await run()

    body = fake_openai.requests[-1].body
    assert [(m["role"], m["content"]) for m in body["messages"]] == [
        ("user", "2+2"),
        ("assistant", "4"),
        ("user", "3+3"),
    ]
    assert (body["temperature"], body["top_p"], body["stop"]) == (0.5, 0.9, ["END"])
    # This model takes no effort.
    assert "reasoning_effort" not in body


async def test_an_image_is_attached_for_a_model_that_sees_and_refused_for_one_that_does_not(model, fake_openai) -> None:
    await in_database(lambda: template(prompt="What is on {photo}?", variables=[{"name": "photo", "type": "image"}]))
    fake_openai.script(Scripted(text="A cat."))

    await run(photo=PICTURE)

    text, image = fake_openai.requests[-1].body["messages"][-1]["content"]
    assert text == {"type": "text", "text": "What is on (image 1)?"}
    assert image["image_url"]["url"] == PICTURE
    for address in ("https://example.com/cat.png", "file:///etc/passwd", "data:text/html;base64,AAAA"):
        with pytest.raises(InvalidInput, match="data URL"):
            await run(photo=address)
    await in_database(lambda: AIModel.objects.filter(pk=model.pk).update(can_see=False))
    forget_configuration()
    with pytest.raises(NotConfigured, match="sees no images"):
        await run(photo=PICTURE)


async def test_json_that_fits_its_schema_comes_back_as_data(model, fake_openai) -> None:
    await in_database(lambda: template(prompt="Mood?", response_format="schema", response_schema=MOOD))
    fake_openai.script(Scripted(text='```json\n{"mood": "good"}\n```'))

    reply = await run()

    assert (reply.data, reply.is_repaired) == ({"mood": "good"}, False)
    assert fake_openai.requests[-1].body["response_format"]["json_schema"]["schema"] == MOOD


async def test_a_number_that_json_does_not_know_is_repaired(model, fake_openai) -> None:
    await in_database(lambda: template(prompt="Score?", response_format="json"))
    fake_openai.script(Scripted(text='{"score": NaN}'), Scripted(text='{"score": 1}'))

    reply = await run()

    assert (reply.data, reply.is_repaired) == ({"score": 1}, True)


async def test_json_that_does_not_fit_is_repaired_once_and_both_calls_are_paid_for(model, fake_openai) -> None:
    await in_database(lambda: template(prompt="Mood?", response_format="schema", response_schema=MOOD))
    usage = {"prompt_tokens": 10, "completion_tokens": 5}
    fake_openai.script(Scripted(text='{"mood": "so-so"}', usage=usage), Scripted(text='{"mood": "bad"}', usage=usage))

    reply = await run()

    assert (reply.data, reply.is_repaired) == ({"mood": "bad"}, True)
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (20, 10)
    assert float(reply.cost) == pytest.approx((20 * 2 + 10 * 8) / 1_000_000)
    told = fake_openai.requests[-1].body["messages"][-1]["content"]
    assert "mood" in told
    assert "good" in told


async def test_a_schema_that_is_never_satisfied_ends_in_a_clear_error_after_two_calls(model, fake_openai) -> None:
    await in_database(lambda: template(prompt="Mood?", response_format="schema", response_schema=MOOD))
    fake_openai.script(Scripted(text="fine, thanks"), Scripted(text='{"mood": 1, "more": 2}'))

    with pytest.raises(ProviderAnswerInvalid, match="not even when told") as refused:
        await run()

    assert len(refused.value.extra["errors"]["answer"]) == 2
    assert len(fake_openai.requests) == 2


def answer_by_quoting() -> None:
    local = factories.local_embedding().provider
    quoting = AIModel.objects.filter(provider=local, purpose="chat").first() or AIModel.objects.create(
        provider=local, slug="extractive", name="Extractive", model_name="extractive", purpose="chat"
    )
    quoting.make_default()


async def test_each_template_that_features_ask_answers_or_says_what_it_needs_without_a_language_model(db) -> None:
    await in_database(answer_by_quoting)
    await in_database(ensure_default_prompts)

    for default in DEFAULT_PROMPTS:
        loaded = await prompts.load(default.slug)
        texts = {each.name: "The office in Riga opens at nine." for each in loaded.variables if each.type == "text"}
        given = {each.name: each.example for each in loaded.variables} | texts
        if loaded.is_json or "question" not in texts:
            with pytest.raises(NotConfigured, match="needs a language model"):
                await prompt_runs.run(loaded, given)
        else:
            reply = await prompt_runs.run(loaded, given)
            assert (reply.prompt, reply.version, reply.is_extractive) == (default.slug, 1, True)
            assert reply.text


async def test_without_a_language_model_texts_are_quoted_and_json_is_refused_in_words(db) -> None:
    def prepare() -> None:
        answer_by_quoting()
        template(prompt="{question}\n{text}")
        template("mood", prompt="Mood?", response_format="json")

    await in_database(prepare)

    quoted = await run(question="When does it open?", text="It opens at nine. Dogs may come in.")

    assert "It opens at nine." in quoted.text
    assert quoted.is_extractive
    with pytest.raises(NotConfigured, match="needs a language model"):
        await run("mood")


@pytest.mark.parametrize("prompt", ["Write to {customer} about {subject}.", "Write a poem.", "Answer {question}"])
async def test_what_cannot_be_quoted_is_refused_over_the_api_before_anything_is_streamed(api, prompt) -> None:
    def prepare() -> None:
        answer_by_quoting()
        template(prompt=prompt)

    await in_database(prepare)
    names = [name for name in ("customer", "subject", "question") if f"{{{name}}}" in prompt]

    for accept in ("application/json", "text/event-stream"):
        refused = await api.post(
            "/api/prompt-templates/letter/run",
            json={"variables": dict.fromkeys(names, "Ann")},
            headers={"Accept": accept},
        )
        assert (refused.status_code, refused.json()["code"]) == (503, "not_configured"), refused.text
        assert "“A letter” asks for more than quotations" in refused.json()["detail"]


@pytest.mark.parametrize("level", ["none", "metadata", "full"])
async def test_no_more_is_kept_than_the_template_allows(model, fake_openai, level) -> None:
    await in_database(lambda: template(prompt="My secret is {secret}.", recording=level))
    fake_openai.script(Scripted(text="I keep it."))

    reply = await run(secret="Rosebud")

    def kept() -> tuple[str, str, str]:
        tracing.flush()
        found = Trace.objects.get(pk=reply.trace_id)
        payloads = SpanPayload.objects.filter(span__trace=found)
        return found.recording, found.summary, json.dumps([[each.input, each.output] for each in payloads])

    recording, summary, texts = await in_database(kept)
    assert recording == level
    assert ("Rosebud" in summary, "Rosebud" in texts) == ((True, True) if level == "full" else (False, False))


@pytest.mark.parametrize("level", ["none", "metadata", "full"])
async def test_what_is_wrong_with_an_answer_is_kept_no_longer_than_the_answer(model, fake_openai, level) -> None:
    await in_database(lambda: template(prompt="Mood?", response_format="schema", response_schema=MOOD, recording=level))
    fake_openai.script(Scripted(text='{"mood": "Rosebud"}'), Scripted(text='{"mood": "Rosebud"}'))

    with pytest.raises(ProviderAnswerInvalid) as refused:
        await run()

    assert "Rosebud" in str(refused.value.extra["errors"]), "Whoever asked must read what is wrong."

    def kept() -> str:
        tracing.flush()
        return str([*Trace.objects.values_list("error"), *Span.objects.values_list("error", "attributes")])

    assert ("Rosebud" in await in_database(kept)) == (level == "full")


async def test_a_caller_who_wants_nothing_kept_is_obeyed_whatever_the_template_says(model, fake_openai) -> None:
    await in_database(lambda: template(prompt="Hello"))
    fake_openai.script(Scripted(text="Hi"))
    with acting_as(replace(SYSTEM, recording="none")):
        reply = await run()

    def recording() -> str:
        tracing.flush()
        return str(Trace.objects.get(pk=reply.trace_id).recording)

    assert await in_database(recording) == "none"


# -- Over the API ------------------------------------------------------------------------------------------------------


async def test_a_template_is_made_run_whole_and_streamed_over_the_api(api, model, fake_openai) -> None:
    made = await api.post(
        "/api/prompt-templates",
        json={
            "name": "Greeting",
            "category": "Letters",
            "prompt": "Greet {customer} in {language}.",
            "variables": [{"name": "language", "default": "English"}],
        },
    )
    assert made.status_code == 201, made.text
    assert made.json()["category"] == "Letters"
    declared = made.json()["live"]["settings"]["variables"]
    assert {each["name"]: each["default"] for each in declared} == {"language": "English", "customer": None}

    fake_openai.script(Scripted(text="Hello Ann"), Scripted(text="Hello Bob"))
    whole = await api.post("/api/prompt-templates/greeting/run", json={"variables": {"customer": "Ann"}})
    assert (whole.json()["text"], whole.json()["is_extractive"]) == ("Hello Ann", False)
    assert fake_openai.requests[-1].body["messages"][-1]["content"] == "Greet Ann in English."
    streamed = await api.post(
        "/api/prompt-templates/greeting/run",
        json={"variables": {"customer": "Bob"}},
        headers={"Accept": "text/event-stream"},
    )
    names = [line.removeprefix("event: ") for line in streamed.text.splitlines() if line.startswith("event: ")]
    assert (names[0], names[-1]) == ("started", "completed")
    assert set(names[1:-1]) == {"text"}
    assert "Hello Bob" in streamed.text.split("event: completed")[1]

    missing = await api.post("/api/prompt-templates/greeting/run", json={}, headers={"Accept": "text/event-stream"})
    assert missing.status_code == 422
    assert missing.json()["missing"] == ["customer"]


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"variables": [{"name": "a"}, {"name": "a"}]}, "variables"),
        ({"variables": [{"name": "1a"}]}, "variables"),
        ({"variables": [{"name": "n", "type": "number", "default": "many"}]}, "variables"),
        ({"examples": [{"input": "2+2"}]}, "examples"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
        ({"response_format": "schema"}, "response_schema"),
        ({"response_format": "schema", "response_schema": {"type": "no such type"}}, "response_schema"),
        ({"temperature": 7}, "temperature"),
    ],
)
async def test_settings_that_do_not_fit_are_refused_by_the_name_of_their_field(api, settings, field) -> None:
    refused = await api.post("/api/prompt-templates", json={"name": "X", "prompt": "Hello", **settings})

    assert refused.status_code == 422, refused.text
    assert any(field in name for name in refused.json()["errors"]), refused.text


async def test_lists_are_emptied_by_sending_nothing(api) -> None:
    await in_database(lambda: template(prompt="{a}", variables=[{"name": "a"}], stop=["END"]))

    nothing = {"variables": None, "examples": None, "stop": None}
    changed = await api.patch("/api/prompt-templates/letter", json=nothing)

    assert changed.status_code == 200, changed.text
    settings = changed.json()["draft"]["settings"]
    assert (settings["examples"], settings["stop"]) == ([], [])


async def test_test_inputs_are_kept_replaced_and_forgotten(api) -> None:
    await in_database(lambda: template(prompt="{customer}"))

    for name in ("Ann", "Bob"):
        kept = await api.put("/api/prompt-templates/letter/test-inputs/usual", json={"values": {"customer": name}})
        assert kept.status_code == 200, kept.text

    listed = await api.get("/api/prompt-templates/letter/test-inputs")
    assert listed.json() == [{"name": "usual", "values": {"customer": "Bob"}}]
    assert (await api.delete("/api/prompt-templates/letter/test-inputs/usual")).status_code == 204
    assert (await api.get("/api/prompt-templates/letter/test-inputs")).json() == []

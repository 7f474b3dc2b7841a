"""OpenAI's own client in front of Magnet: agents, RAG tools, prompt templates and models, whole and streamed."""

from __future__ import annotations

import json

import openai
import pytest

from magnet.models import AIModel, PromptTemplate, Trace
from magnet.tracing import flush
from tests import factories
from tests.agents import acting
from tests.fake_openai import Scripted

pytestmark = pytest.mark.django_db(transaction=True)

ASKED = [{"role": "user", "content": "When does the office in Riga open?"}]
WEATHER = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {"town": {"type": "string"}}}},
}


@pytest.fixture
def model(settings, tmp_path, fake_openai):
    settings.MEDIA_ROOT = tmp_path
    acting.make_model(fake_openai)
    return fake_openai


@pytest.fixture
def office(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    acting.make_office()


@pytest.fixture
def client_with(live_api):
    """A client of OpenAI with this key, which tries nothing twice."""
    made = []

    def make(key):
        made.append(openai.OpenAI(base_url=f"{live_api.url}/v1", api_key=key, max_retries=0, timeout=60))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def client(client_with, issue_key):
    return client_with(issue_key())


def text_of(chunks):
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


# -- RAG tools -------------------------------------------------------------------------------------------------------


def test_a_rag_tool_answers_with_its_citations(client, office):
    answer = client.chat.completions.create(model="rag/office", messages=ASKED)
    assert (answer.object, answer.model, answer.choices[0].finish_reason) == ("chat.completion", "rag/office", "stop")
    assert "opens at nine" in answer.choices[0].message.content
    assert answer.citations[0]["document"]["remote_id"] == "riga"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0


def test_a_streamed_answer_is_the_same_in_chunks(client, office):
    whole = client.chat.completions.create(model="rag/office", messages=ASKED)
    chunks = list(
        client.chat.completions.create(
            model="rag/office", messages=ASKED, stream=True, stream_options={"include_usage": True}
        )
    )
    assert chunks[0].choices[0].delta.role == "assistant"
    assert text_of(chunks) == whole.choices[0].message.content
    *_, last, usage = chunks
    assert (last.choices[0].finish_reason, last.usage, last.citations[0]["is_cited"]) == ("stop", None, True)
    assert (usage.choices, usage.usage) == ([], whole.usage)
    assert len({chunk.id for chunk in chunks}) == 1


def test_usage_in_a_stream_is_for_those_who_ask(client, office):
    chunks = list(client.chat.completions.create(model="rag/office", messages=ASKED, stream=True))
    assert [chunk for chunk in chunks if not chunk.choices or chunk.usage] == []


def test_what_was_said_before_is_history(client, office, model):
    before = [
        {"role": "system", "content": "We speak of Latvia."},
        {"role": "user", "content": "Do you know Riga?"},
        {"role": "assistant", "content": "Yes."},
    ]
    model.script(Scripted(text="At nine [1]."))
    answer = client.chat.completions.create(
        model="rag/office", messages=[*before, {"role": "user", "content": "When does it open there?"}]
    )
    assert answer.choices[0].message.content == "At nine [1]."
    told = json.dumps(model.requests[-1].body["messages"])
    assert "Latvia" in told
    assert "Do you know Riga?" in told


# -- Agents ----------------------------------------------------------------------------------------------------------


def test_an_agent_answers_and_uses_its_tools(client, office, model):
    acting.make_agent({**acting.HOURS, "actions": [acting.ASK]})
    ask = acting.calling(acting.call("ask", {"question": "When does the office in Riga open?"}))
    model.script(ask, Scripted(text="At nine [1]."), Scripted(text="It opens at nine [1]."))
    chunks = list(client.chat.completions.create(model="agent/support", messages=ASKED, stream=True))
    assert text_of(chunks) == "It opens at nine [1]."
    assert chunks[-1].citations[0]["document"]["remote_id"] == "riga"


def test_an_agent_that_needs_a_confirmation_says_so_and_does_nothing(client, model, fake_api):
    acting.make_shop(fake_api)
    acting.make_agent({**acting.ORDERS, "actions": [acting.CANCEL]})
    model.script(acting.calling(acting.call("cancel", {"id": 17})))
    messages = [{"role": "user", "content": "Cancel order 17."}]
    answer = client.chat.completions.create(model="agent/support", messages=messages)
    assert "Nothing has been done" in answer.choices[0].message.content
    assert fake_api.asked("/cancel") == []


def test_agents_and_tools_refuse_the_tools_of_the_caller(client, office):
    with pytest.raises(openai.UnprocessableEntityError) as refused:
        client.chat.completions.create(model="rag/office", messages=ASKED, tools=[WEATHER])
    assert (refused.value.param, refused.value.code) == ("tools", "invalid_input")


# -- Prompt templates ------------------------------------------------------------------------------------------------


def make_template(*variables, prompt):
    PromptTemplate.objects.create_live(
        slug="letter", name="Letter", settings={"instructions": "", "prompt": prompt, "variables": list(variables)}
    )


def test_the_message_fills_the_one_text_variable_that_metadata_leaves(client, model):
    make_template({"name": "tone"}, {"name": "subject"}, prompt="Write a {tone} letter about {subject}.")
    model.script(Scripted(text="Dear all."))
    answer = client.chat.completions.create(
        model="prompt/letter",
        messages=[{"role": "user", "content": "parking"}],
        metadata={"tone": "short", "ticket": "77"},
    )
    assert answer.choices[0].message.content == "Dear all."
    assert model.requests[-1].body["messages"][-1]["content"] == "Write a short letter about parking."


def test_a_message_that_could_fill_several_variables_fills_none(client, model):
    make_template({"name": "tone"}, {"name": "subject"}, prompt="Write a {tone} letter about {subject}.")
    with pytest.raises(openai.UnprocessableEntityError) as refused:
        client.chat.completions.create(model="prompt/letter", messages=ASKED)
    assert refused.value.param == "metadata"
    assert "{tone}, {subject}" in refused.value.message


def test_a_message_without_a_variable_to_fill_is_said_before_the_prompt(client, model):
    make_template(prompt="Sum up what was said.")
    model.script(Scripted(text="Riga."))
    client.chat.completions.create(model="prompt/letter", messages=ASKED)
    said = [message["content"] for message in model.requests[-1].body["messages"]]
    assert said == [ASKED[0]["content"], "Sum up what was said."]


# -- Models ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["gpt-fake", "gpt"])
def test_a_model_is_asked_by_its_slug_or_by_its_name_at_the_provider(client, model, name):
    model.script(Scripted(text="Hello."))
    answer = client.chat.completions.create(
        model=name,
        messages=[{"role": "developer", "content": "Be short."}, {"role": "user", "content": "Hi"}],
        temperature=0.5,
        max_tokens=20,
    )
    assert (answer.model, answer.choices[0].message.content) == (name, "Hello.")
    body = model.requests[-1].body
    assert (body["model"], body["temperature"], body["max_tokens"]) == ("gpt", 0.5, 20)
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    flush()
    assert Trace.objects.get().feature == "model"


@pytest.mark.parametrize("is_streamed", [False, True])
def test_a_model_calls_the_tools_of_the_caller(client, model, is_streamed):
    model.script(acting.calling(acting.call("weather", {"town": "Riga"})), Scripted(text="Sunny."))
    asked = {"model": "gpt-fake", "messages": ASKED, "tools": [WEATHER], "tool_choice": "auto"}
    if is_streamed:
        *_, called, last = client.chat.completions.create(**asked, stream=True)
        call, reason = called.choices[0].delta.tool_calls[0], last.choices[0].finish_reason
    else:
        choice = client.chat.completions.create(**asked).choices[0]
        call, reason = choice.message.tool_calls[0], choice.finish_reason
    assert (call.id, call.function.name, json.loads(call.function.arguments)) == ("call_1", "weather", {"town": "Riga"})
    assert reason == "tool_calls"
    sent = {"id": call.id, "type": "function", "function": {"name": "weather", "arguments": call.function.arguments}}
    said = [{"role": "assistant", "content": None, "tool_calls": [sent]}]
    said.append({"role": "tool", "tool_call_id": call.id, "content": "20 degrees"})
    answer = client.chat.completions.create(**{**asked, "messages": [*ASKED, *said]})
    assert answer.choices[0].message.content == "Sunny."
    body = model.requests[-1].body
    assert (body["tool_choice"], body["tools"], body["messages"][-1]["role"]) == ("auto", [WEATHER], "tool")


def test_who_leaves_a_stream_stops_the_model(client, model):
    model.script(Scripted(text="word " * 2_000, delta_seconds=0.05))
    stream = client.chat.completions.create(model="gpt-fake", messages=ASKED, stream=True)
    assert next(iter(stream)).choices
    assert model.wait_until(lambda fake: fake.active == 1, seconds=60)
    stream.close()
    assert model.wait_until(lambda fake: fake.disconnects == 1, seconds=60)


def test_a_model_that_fails_in_mid_stream_is_told_as_an_error(client, model):
    model.script(Scripted(text="word " * 50, error_after=5))
    with pytest.raises(openai.APIError) as failed:
        list(client.chat.completions.create(model="gpt-fake", messages=ASKED, stream=True))
    assert (failed.value.code, failed.value.type) == ("provider_error", "server_error")


def test_an_agent_is_refused_before_its_stream_begins(client, model):
    acting.make_agent(acting.HOURS)
    with pytest.raises(openai.UnprocessableEntityError) as refused:
        client.chat.completions.create(model="agent/support", messages=[{"role": "user", "content": " "}], stream=True)
    assert "The message is empty" in refused.value.message


def test_an_answer_in_json_is_streamed_when_it_is_known_to_fit(client, model):
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    PromptTemplate.objects.create_live(
        slug="count",
        name="Count",
        settings={"prompt": "Count.", "response_format": "schema", "response_schema": schema},
    )
    model.script(Scripted(text='{"n": "many"}'), Scripted(text='{"n": 3}'))
    assert text_of(client.chat.completions.create(model="prompt/count", messages=ASKED, stream=True)) == '{"n": 3}'


# -- What can be asked -----------------------------------------------------------------------------------------------


def test_a_key_sees_what_it_can_ask(client_with, issue_key, office, model):
    acting.make_agent(acting.HOURS)
    everything = {each.id for each in client_with(issue_key()).models.list()}
    assert {"agent/support", "rag/office", "prompt/rag-answer", "gpt-fake"} <= everything
    asker = client_with(issue_key("rag-tools:run"))
    assert [each.id for each in asker.models.list()] == ["rag/office"]
    assert asker.models.retrieve("rag/office").owned_by == "magnet"
    with pytest.raises(openai.NotFoundError):
        asker.models.retrieve("agent/support")


def test_each_kind_needs_its_own_scope(client_with, issue_key, office, model):
    asker = client_with(issue_key("agents:run"))
    for name in ("rag/office", "prompt/rag-answer", "gpt-fake"):
        with pytest.raises(openai.PermissionDeniedError) as refused:
            asker.chat.completions.create(model=name, messages=ASKED)
        assert refused.value.code == "not_allowed"


# -- Errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["rag/nobody", "agent/nobody", "prompt/nobody", "nobody", "some/body"])
def test_what_is_not_there_is_not_found(client, name):
    with pytest.raises(openai.NotFoundError) as missing:
        client.chat.completions.create(model=name, messages=ASKED)
    assert (missing.value.code, missing.value.type) == ("not_found", "not_found_error")
    assert missing.value.request_id == missing.value.body["request_id"]


def test_a_wrong_key_is_refused(client_with):
    with pytest.raises(openai.AuthenticationError) as refused:
        client_with("sk-of-somebody-else").models.list()
    assert refused.value.code == "not_signed_in"


def test_who_asks_too_often_is_told_when_to_come_back(client_with, issue_key):
    asker = client_with(issue_key(requests_per_minute=1))
    asker.models.list()
    with pytest.raises(openai.RateLimitError) as refused:
        asker.models.list()
    assert (refused.value.code, refused.value.type) == ("rate_limited", "rate_limit_error")
    assert int(refused.value.response.headers["Retry-After"]) >= 1


def test_what_does_not_fit_is_named(client, live_api, issue_key):
    with pytest.raises(openai.UnprocessableEntityError) as refused:
        client.chat.completions.create(model="rag/office", messages=[])
    assert refused.value.param == "messages"
    with pytest.raises(openai.UnprocessableEntityError) as several:
        client.chat.completions.create(model="rag/office", messages=ASKED, n=2)
    assert several.value.param == "n"
    lost = live_api.client(issue_key()).get("/v1/nowhere")
    assert (lost.status_code, lost.json()["error"]["code"]) == (404, "not_found")


# -- Embeddings ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_texts_become_vectors_in_their_order(client, encoding):
    slug = factories.local_embedding().slug
    found = client.embeddings.create(model=slug, input=["cats and dogs", "taxes"], encoding_format=encoding)
    alone = client.embeddings.create(model=slug, input="taxes")
    assert [each.index for each in found.data] == [0, 1]
    vector = found.data[1].embedding
    if encoding == "base64":
        import base64

        import numpy as np

        vector = np.frombuffer(base64.b64decode(vector), dtype="<f4").tolist()
    assert vector == pytest.approx(alone.data[0].embedding, abs=1e-6)
    assert found.usage.prompt_tokens > 0


def test_vectors_can_be_shortened(client):
    slug = factories.local_embedding().slug
    vector = client.embeddings.create(model=slug, input="taxes", dimensions=64).data[0].embedding
    assert len(vector) == 64
    assert sum(number * number for number in vector) == pytest.approx(1, abs=1e-5)
    with pytest.raises(openai.UnprocessableEntityError) as refused:
        client.embeddings.create(model=slug, input="taxes", dimensions=4_000)
    assert refused.value.param == "dimensions"


def test_tokens_are_read_as_the_text_that_they_spell(client):
    from magnet.tokens import encoding

    slug = factories.local_embedding().slug
    text = client.embeddings.create(model=slug, input="cats and dogs").data[0].embedding
    tokens = client.embeddings.create(model=slug, input=encoding().encode("cats and dogs")).data[0].embedding
    assert tokens == pytest.approx(text, abs=1e-6)
    with pytest.raises(openai.UnprocessableEntityError):
        client.embeddings.create(model=slug, input=[[999_999_999]])


def test_a_chat_model_embeds_nothing(client, model):
    assert AIModel.objects.filter(slug="gpt-fake", purpose="chat").exists()
    with pytest.raises(openai.NotFoundError):
        client.embeddings.create(model="gpt-fake", input="taxes")

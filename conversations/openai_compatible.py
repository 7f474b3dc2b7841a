"""The API under /v1 that OpenAI's clients speak: agents, RAG tools, prompt templates and models, by their names.

client = OpenAI(base_url="http://localhost:8000/v1", api_key="mgt_…")
client.chat.completions.create(model="rag/handbook", messages=[{"role": "user", "content": "…"}])
"""

from __future__ import annotations

from functools import partial

from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from ninja.errors import HttpError
from ninja.errors import ValidationError as RequestDoesNotFit

from conversations import openai_embeddings, openai_models, openai_replies, openai_targets
from conversations.openai_schemas import ChatBody, EmbeddingsBody
from magnet.api.root import JsonOnly, MagnetAPI, json_response
from magnet.callers import current_caller
from magnet.database import in_database
from magnet.web.auth import Needs
from magnet.web.problems import respond_to
from magnet.web.streaming import event_stream

v1 = MagnetAPI(
    title="Magnet for OpenAI's clients", urls_namespace="v1", openapi_url=None, docs_url=None, parser=JsonOnly()
)
for _kind in (Exception, Http404, HttpError, RequestDoesNotFit):
    v1.add_exception_handler(_kind, respond_to)  # type: ignore[arg-type]  # it is given exceptions only

# What is asked decides which of them is needed.
ASK = Needs("agents:run", "rag-tools:run", "prompt-templates:run", "models:run")


@v1.post("/chat/completions", auth=ASK)
async def complete_chat(request: HttpRequest, body: ChatBody) -> HttpResponseBase:
    """Answer the last message; in chunks with `stream: true`."""
    events = await openai_targets.begin(body)
    if not body.stream:
        return json_response(await openai_replies.whole(events, model=body.model))
    chunks = openai_replies.Chunks(model=body.model, includes_usage=body.includes_usage)
    return event_stream(events, instance=request.path, frame=chunks.frame)


@v1.get("/models", auth=ASK)
async def list_models(request: HttpRequest) -> HttpResponseBase:
    """List what this key can ask."""
    listed = await in_database(openai_models.listed, current_caller())
    return json_response({"object": "list", "data": listed})


@v1.get("/models/{path:name}", auth=ASK)
async def get_model(request: HttpRequest, name: str) -> HttpResponseBase:
    """Show one of them."""
    return json_response(await in_database(partial(openai_models.one, name=name), current_caller()))


@v1.post("/embeddings", auth=Needs("models:run"))
async def create_embeddings(request: HttpRequest, body: EmbeddingsBody) -> HttpResponseBase:
    """Turn texts into vectors."""
    return json_response(await openai_embeddings.embed(body))


urlpatterns = v1.urls[0]

"""The API keeps what its own documentation says, whatever is sent: no server errors, no undocumented shapes."""

from __future__ import annotations

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from agents.models import Agent
from magnet.default_prompts import ensure_default_prompts
from tests import factories
from tests.fixtures_api import bearer
from tools_app.models import ApiServer, ApiTool, RagTool, RetrievalTool

pytestmark = pytest.mark.django_db(transaction=True)

CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance]
SLUGS = {
    "knowledge-sources": "office",
    "rag-tools": "ask",
    "agents": "talk",
    "retrieval-tools": "look",
    "prompt-templates": "rag-answer",
    "providers": "built-in",
    "api-servers": "shop",
    "api-tools": "orders",
}
# A few of each operation: this looks for what nobody thought of, and is no proof.
SETTINGS = settings(
    max_examples=4,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
def furnished(transactional_db, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    ensure_default_prompts()
    source = factories.source("office")
    factories.push(source, pets="# Pets\n\nDogs are welcome.")
    RagTool.objects.create_live(slug="ask", name="Ask", settings={"sources": [source]})
    pets = {"name": "Pets", "actions": [{"kind": "rag", "slug": "ask"}]}
    Agent.objects.create_live(slug="talk", name="Talk", settings={"topics": [pets]})
    RetrievalTool.objects.create_live(slug="look", name="Look", settings={"sources": [source]})
    shop = ApiServer.objects.create(slug="shop", name="Shop")
    ApiTool.objects.create(
        slug="orders", name="Orders", server=shop, path="/orders", is_mocked=True, mock_response="{}"
    )


def test_whatever_is_sent_the_answer_is_one_that_is_documented(live_api, issue_key, furnished):
    headers = bearer(issue_key())
    documented = live_api.client().get("/schema/openapi.json").json()
    operations = [found.ok() for found in schemathesis.openapi.from_dict(documented).get_all_operations()]
    assert len(operations) > 40
    # What is deleted cannot be asked about any more.
    operations.sort(key=lambda operation: operation.method == "delete")
    faults = []
    for operation in operations:
        for mode in GenerationMode:
            faults += send(operation, mode, url=live_api.url, headers=headers)
    assert not faults, "\n\n".join(faults)


def existing(path):
    """Names of what is there: a made-up one is only ever not found."""
    noun = path.split("/")[2]
    known = {"slug": SLUGS.get(noun), "remote_id": "pets", "number": 1}
    return {name: value for name, value in known.items() if value and f"{{{name}}}" in path} or None


def send(operation, mode, *, url, headers):
    faults = []

    @SETTINGS
    @given(operation.as_strategy(generation_mode=mode, path_parameters=existing(operation.path)))
    def send_one(case):
        response = case.call(base_url=url, headers=headers, timeout=20)
        try:
            case.validate_response(response, checks=CHECKS)
        except* AssertionError as group:
            faults.append(f"{operation.label} ({mode.value}): {response.status_code} {group.exceptions[0]}"[:1_500])

    send_one()
    return faults

"""The fakes of the APIs that connectors read, by name: a kind with two editions has two."""

from tests.knowledge.connectors.fake_api import FakeApi
from tests.knowledge.connectors.fakes.confluence import FakeCloud, FakeDataCenter
from tests.knowledge.connectors.fakes.hubspot import FakeHubSpot
from tests.knowledge.connectors.fakes.notion import FakeNotion
from tests.knowledge.connectors.fakes.zendesk import FakeZendesk

FAKES: dict[str, type[FakeApi]] = {
    "confluence-cloud": FakeCloud,
    "confluence-data-center": FakeDataCenter,
    "hubspot": FakeHubSpot,
    "notion": FakeNotion,
    "zendesk": FakeZendesk,
}

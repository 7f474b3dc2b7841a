"""The fakes of the APIs that connectors read, by name: a kind with two editions has two."""

from tests.knowledge.connectors.fake_api import FakeApi
from tests.knowledge.connectors.fakes.confluence import FakeCloud, FakeDataCenter
from tests.knowledge.connectors.fakes.google_drive import FakeGoogleDrive
from tests.knowledge.connectors.fakes.hubspot import FakeHubSpot
from tests.knowledge.connectors.fakes.notion import FakeNotion
from tests.knowledge.connectors.fakes.salesforce import FakeSalesforce
from tests.knowledge.connectors.fakes.sharepoint import FakeSharePoint
from tests.knowledge.connectors.fakes.zendesk import FakeZendesk

FAKES: dict[str, type[FakeApi]] = {
    "confluence-cloud": FakeCloud,
    "confluence-data-center": FakeDataCenter,
    "google-drive": FakeGoogleDrive,
    "hubspot": FakeHubSpot,
    "notion": FakeNotion,
    "salesforce": FakeSalesforce,
    "sharepoint": FakeSharePoint,
    "zendesk": FakeZendesk,
}

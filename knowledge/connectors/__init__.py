"""The kinds of knowledge source: one file and one line each."""

from knowledge.connectors.base import Connector, MissingConnector
from knowledge.connectors.confluence import ConfluenceConnector
from knowledge.connectors.docs_site import DocsSiteConnector
from knowledge.connectors.folder import FolderConnector
from knowledge.connectors.git_repository import GitRepositoryConnector
from knowledge.connectors.google_drive import GoogleDriveConnector
from knowledge.connectors.hubspot import HubSpotConnector
from knowledge.connectors.notion import NotionConnector
from knowledge.connectors.rss import RssConnector
from knowledge.connectors.s3 import S3Connector
from knowledge.connectors.salesforce import SalesforceConnector
from knowledge.connectors.sharepoint import SharePointConnector
from knowledge.connectors.sql_database import SqlDatabaseConnector
from knowledge.connectors.upload import UploadConnector
from knowledge.connectors.vector_import import VectorImportConnector
from knowledge.connectors.website import WebsiteConnector
from knowledge.connectors.zendesk import ZendeskConnector

CONNECTORS: dict[str, type[Connector]] = {
    "upload": UploadConnector,
    "folder": FolderConnector,
    "website": WebsiteConnector,
    "docs_site": DocsSiteConnector,
    "sql_database": SqlDatabaseConnector,
    "s3": S3Connector,
    "rss": RssConnector,
    "git_repository": GitRepositoryConnector,
    "vector_import": VectorImportConnector,
    "confluence": ConfluenceConnector,
    "hubspot": HubSpotConnector,
    "zendesk": ZendeskConnector,
    "notion": NotionConnector,
    "sharepoint": SharePointConnector,
    "google_drive": GoogleDriveConnector,
    "salesforce": SalesforceConnector,
}


def connector_kind(name: str) -> type[Connector]:
    """The kind of this name; one that says so where a plug-in brought it and is gone."""
    return CONNECTORS.get(name, MissingConnector)

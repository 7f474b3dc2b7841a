"""The kinds of knowledge source: one file and one line each."""

from knowledge.connectors.base import Connector
from knowledge.connectors.folder import FolderConnector
from knowledge.connectors.upload import UploadConnector
from knowledge.connectors.website import WebsiteConnector

CONNECTORS: dict[str, type[Connector]] = {
    "upload": UploadConnector,
    "folder": FolderConnector,
    "website": WebsiteConnector,
}

"""Files in a bucket of Amazon S3, or of any server that speaks its protocol (MinIO, Ceph, R2, Wasabi …)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar
from urllib.parse import unquote_plus, urlsplit
from xml.etree.ElementTree import Element

from pydantic import BaseModel, Field, SecretStr, field_validator

from knowledge.connectors.aws_signature import AwsKey, encoded, signed_headers
from knowledge.connectors.base import Content, ListingItem, RemoteDocument
from knowledge.connectors.globs import matches_any
from knowledge.connectors.readable import has_readable_name, media_type_of
from knowledge.connectors.rest import MAX_FILE_BYTES, address_of_api
from knowledge.connectors.rest_connector import RestConnector, Shape, counted
from knowledge.connectors.rest_failures import EXPLAINED, refusal, told_by
from knowledge.connectors.safe_xml import XmlRefused, local, text, tree_of
from magnet.errors import FetchFailed, SourceError
from magnet.outbound.http import Response, retry_after

MAX_LISTING_BYTES = 32 * 1024 * 1024
KEYS_AT_ONCE = 1_000
MAX_REMOTE_ID = 1_000
LONGEST_EXPLANATION = 300
# They must be restored by their owner before anybody can read them.
ASLEEP = {"GLACIER", "DEEP_ARCHIVE"}


class S3Config(Shape):
    address: str = Field(
        default="",
        title="Endpoint",
        description="Such as https://minio.example.com; empty means Amazon S3 in the region below.",
    )
    region: str = Field(default="us-east-1", title="Region", pattern=r"^[a-z0-9-]{2,40}$")
    bucket: str = Field(title="Bucket", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]$")
    prefix: str = Field(default="", title="Only below", description="Such as handbook/; empty means the whole bucket.")
    patterns: list[str] = Field(
        default=["**/*"], title="Files", description="Such as *.md or guides/**; one is enough for a file to be read."
    )
    exclude: list[str] = Field(default=[], title="Leave out", description="Such as drafts/** or *.tmp.md.")
    path_style: bool = Field(
        default=False,
        title="Bucket in the path",
        description="On for most servers of one's own: https://host/bucket instead of https://bucket.host.",
    )

    @field_validator("address")
    @classmethod
    def is_an_address(cls, value: str) -> str:
        return address_of_api(value) if value.strip() else ""


class S3Secrets(Shape):
    access_key_id: SecretStr = Field(
        default=SecretStr(""), title="Access key ID", description="Empty for a bucket that everybody may read."
    )
    secret_access_key: SecretStr = Field(default=SecretStr(""), title="Secret access key")
    session_token: SecretStr = Field(
        default=SecretStr(""), title="Session token", description="Only with temporary keys."
    )


class S3Connector(RestConnector):
    """Lists the whole bucket each time, 1,000 files a request; the ETag tells which of them changed."""

    label: ClassVar[str] = "S3 bucket"
    description: ClassVar[str] = "Files in Amazon S3 or a server that speaks its protocol, such as MinIO."
    Config: ClassVar[type[BaseModel]] = S3Config
    Secrets: ClassVar[type[BaseModel]] = S3Secrets
    config: S3Config

    def found(self) -> str:
        page = self._page("")
        files = sum(1 for item in page if local(item.tag) == "Contents")
        more = "at least " if text(page, "IsTruncated") == "true" else ""
        return f"The bucket {self.config.bucket} answers with {more}{counted(files, 'file')}."

    def documents(self, known: Mapping[str, str]) -> Iterator[ListingItem]:
        left_out: list[str] = []
        for page in self._pages():
            for item in page:
                if local(item.tag) == "Contents":
                    yield from self._document(item, left_out=left_out)
        self.state.pop("notice", None)
        if left_out:
            self.state["notice"] = f"Left out {len(left_out):,}: {'; '.join(left_out[:5])}."

    def content_of(self, document: RemoteDocument) -> Content:
        response = self._asked(f"/{encoded(document.remote_id, keep='/')}", max_bytes=MAX_FILE_BYTES)
        name = document.remote_id.rpartition("/")[2]
        return Content(response.body, media_type=media_type_of(name) or response.media_type, filename=name)

    # -- Listing -----------------------------------------------------------------------------------------------------

    def _pages(self) -> Iterator[Element]:
        token, seen = "", set()
        while True:
            page = self._page(token)
            yield page
            if text(page, "IsTruncated") != "true":
                return
            token = text(page, "NextContinuationToken")
            if not token or token in seen:
                raise SourceError("The bucket says that there are more files, but not how to ask for them.")
            seen.add(token)

    def _page(self, token: str) -> Element:
        # In the order of the alphabet, because the signature wants it.
        asked = {
            "continuation-token": token,
            "encoding-type": "url",
            "list-type": "2",
            "max-keys": str(KEYS_AT_ONCE),
            "prefix": self.config.prefix,
        }
        query = "&".join(f"{name}={encoded(value)}" for name, value in asked.items() if value)
        response = self._asked(f"/?{query}", max_bytes=MAX_LISTING_BYTES)
        try:
            page = tree_of(response.body)
        except XmlRefused as error:
            raise SourceError(f"The listing of the bucket {self.config.bucket} {error}.") from error
        if local(page.tag) != "ListBucketResult":
            raise SourceError(f"{self._host} is no S3: it answers with <{local(page.tag)}>. Check the endpoint.")
        return page

    def _document(self, item: Element, *, left_out: list[str]) -> Iterator[RemoteDocument]:
        key = unquote_plus(text(item, "Key"))
        if not self._is_meant(key):
            return
        if text(item, "StorageClass") in ASLEEP:
            left_out.append(f"{key} (archived: its owner must restore it first)")
            return
        if len(key) > MAX_REMOTE_ID or {".", ".."} & set(key.split("/")):
            left_out.append(f"{key[:80]} (a name that cannot be asked for)")
            return
        yield RemoteDocument(
            remote_id=key,
            media_type=media_type_of(key),
            version=text(item, "ETag").strip('"') or f"{text(item, 'Size')} {text(item, 'LastModified')}",
            metadata={"path": key},
        )

    def _is_meant(self, key: str) -> bool:
        path = key.removeprefix(self.config.prefix).lstrip("/") or key
        if not key or key.endswith("/") or not has_readable_name(key):
            return False
        return matches_any(path, self.config.patterns) and not matches_any(path, self.config.exclude)

    # -- Asking ------------------------------------------------------------------------------------------------------

    @property
    def _host(self) -> str:
        return self.config.address or f"https://s3.{self.config.region}.amazonaws.com"

    def _asked(self, path: str, *, max_bytes: int) -> Response:
        url = self._address(path)
        try:
            response = self.outbound.get(
                url,
                max_bytes=max_bytes,
                headers={"Accept": "*/*"},
                secret_headers=self._signature(url),
                explained=(*EXPLAINED, 301),
                may_follow=lambda _: False,
            )
        except FetchFailed as error:
            raise told_by("The bucket", self.config.bucket, error) from error
        if response.redirects_to or response.status == 301:
            raise SourceError(f"The bucket {self.config.bucket} is in another region. Correct the region.")
        if response.status in EXPLAINED:
            raise refusal(
                "The bucket",
                self.config.bucket,
                status=response.status,
                explanation=explanation_of(response),
                retry_after_seconds=retry_after(response),
            )
        return response

    def _address(self, path: str) -> str:
        parts, bucket = urlsplit(self._host), self.config.bucket
        if self.config.path_style:
            return f"{self._host}/{bucket}{path}"
        return f"{parts.scheme}://{bucket}.{parts.netloc}{parts.path}{path}"

    def _signature(self, url: str) -> dict[str, str]:
        secrets: Any = self.secrets
        key_id = secrets.access_key_id.get_secret_value().strip()
        if not key_id:
            return {}
        secret = secrets.secret_access_key.get_secret_value().strip()
        key = AwsKey(key_id, secret, secrets.session_token.get_secret_value().strip())
        return signed_headers(url, key=key, region=self.config.region, at=datetime.now(UTC))


def explanation_of(response: Response) -> str:
    """What stands in the <Error> of a refusal."""
    try:
        said = tree_of(response.body)
    except XmlRefused:
        return ""
    return f"{text(said, 'Code')}: {text(said, 'Message')}"[:LONGEST_EXPLANATION].strip(": ")

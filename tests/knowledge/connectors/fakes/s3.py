"""A bucket of S3 on the loopback.

Shapes, as of November 2026:
https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html (ListBucketResult, continuation tokens, keys
encoded as in a form with `encoding-type=url`), .../API_GetObject.html (ETag), .../API/ErrorResponses.html (<Error> with
Code and Message), .../API/sig-v4-header-based-auth.html (the signature).
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from urllib.parse import quote_plus, unquote
from xml.sax.saxutils import escape

from knowledge.connectors.aws_signature import AwsKey, signed_headers
from tests.fake_website import Call, Page
from tests.knowledge.connectors.fake_api import FakeApi, path_of, query_of

KEY = AwsKey("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
SPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
REGION = "eu-north-1"


class FakeS3(FakeApi):
    """`files` by key; `classes` are storage classes other than STANDARD. Only the right signature is let in."""

    def __init__(self) -> None:
        super().__init__()
        self.files: dict[str, bytes] = {}
        self.classes: dict[str, str] = {}
        self.page_size = 2

    def may_enter(self, call: Call) -> bool:
        moment = datetime.strptime(call.headers.get("x-amz-date", "19700101T000000Z"), "%Y%m%dT%H%M%SZ")
        url = f"http://{call.headers['Host']}{call.path}"
        expected = signed_headers(url, key=KEY, region=REGION, at=moment.replace(tzinfo=UTC))
        return call.headers.get("Authorization") == expected["Authorization"]

    def refuse(self, call: Call) -> Page:
        message = "The request signature we calculated does not match the signature you provided."
        return error(403, "SignatureDoesNotMatch", message)

    def respond(self, call: Call) -> Page:
        _, bucket, key = unquote(path_of(call)).split("/", 2)
        if bucket != "handbook":
            return error(404, "NoSuchBucket", "The specified bucket does not exist")
        if not key:
            return self.listing(query_of(call))
        if key not in self.files:
            return error(404, "NoSuchKey", "The specified key does not exist.")
        return Page(self.files[key], media_type="binary/octet-stream", headers={"ETag": etag(self.files[key])})

    def listing(self, query: dict[str, str]) -> Page:
        assert (query["list-type"], query["encoding-type"]) == ("2", "url")
        keys = [key for key in sorted(self.files) if key.startswith(query.get("prefix", ""))]
        keys = [key for key in keys if key > unquote(query.get("continuation-token", ""))]
        page, rest = keys[: self.page_size], keys[self.page_size :]
        more = f"<NextContinuationToken>{escape(quote_plus(page[-1]))}</NextContinuationToken>" if rest else ""
        body = (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="{SPACE}"><Name>handbook</Name>'
            f"<Prefix>{query.get('prefix', '')}</Prefix>{more}<KeyCount>{len(page)}</KeyCount><MaxKeys>1000</MaxKeys>"
            f"<EncodingType>url</EncodingType><IsTruncated>{str(bool(rest)).lower()}</IsTruncated>"
            f"{''.join(self.contents(key) for key in page)}</ListBucketResult>"
        )
        return Page(body, media_type="application/xml")

    def contents(self, key: str) -> str:
        body = self.files[key]
        return (
            f"<Contents><Key>{quote_plus(key, safe='/')}</Key><LastModified>2026-11-01T10:00:00.000Z</LastModified>"
            f"<ETag>{escape(etag(body), {chr(34): '&quot;'})}</ETag><Size>{len(body)}</Size>"
            f"<StorageClass>{self.classes.get(key, 'STANDARD')}</StorageClass></Contents>"
        )


def etag(body: bytes) -> str:
    return f'"{hashlib.md5(body).hexdigest()}"'


def error(status: int, code: str, message: str, **headers: str) -> Page:
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return Page(body, status=status, media_type="application/xml", headers=headers)

"""A bucket as a knowledge source: every file of any name, signed as Amazon wants it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from knowledge.connectors.aws_signature import AwsKey, signed_headers
from knowledge.connectors.base import RemoteDocument
from knowledge.connectors.s3 import S3Config, S3Connector, S3Secrets
from knowledge.models import Document
from magnet.errors import FetchFailed, ListingFailed
from tests import factories
from tests.fake_website import Page
from tests.knowledge.connectors.fake_api import FAULT, impatient_client, running
from tests.knowledge.connectors.fakes.s3 import KEY, REGION, FakeS3, error

FILES = {
    "guides/a b+c.md": b"# Plus",
    "guides/Größe & 名前/%41.txt": b"Odd name",
    "guides/'quoted' (1)~*!.md": b"# Quoted",
    "guides/": b"",
    "guides/film.mp4": b"0",
    "readme.md": b"# Read me",
}


@pytest.fixture
def bucket():
    with running(FakeS3) as bucket:
        bucket.files = dict(FILES)
        yield bucket


def config(site, **fields):
    return {"address": site.url, "region": REGION, "bucket": "handbook", "path_style": True, **fields}


def s3(site, *, secret=KEY.secret, state=None, **fields):
    secrets = S3Secrets(access_key_id=KEY.key_id, secret_access_key=secret)
    return S3Connector(S3Config(**config(site, **fields)), secrets, state=state, client=impatient_client())


def listed(connector):
    return {document.remote_id: document for document in connector.list({})}


@pytest.mark.parametrize(
    ("path", "headers", "signature"),
    [
        ("/test.txt", {"Range": "bytes=0-9"}, "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
        ("/?lifecycle", {}, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        ("/?max-keys=2&prefix=J", {}, "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
    ],
)
def test_the_signature_is_that_of_amazons_examples(path, headers, signature):
    """https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html, as of November 2026."""
    at = datetime(2013, 5, 24, tzinfo=UTC)
    url = f"https://examplebucket.s3.amazonaws.com{path}"

    signed = signed_headers(url, key=KEY, region="us-east-1", at=at, headers=headers)

    assert signed["Authorization"].endswith(f"Signature={signature}")
    assert "Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request," in signed["Authorization"]
    assert KEY.secret not in repr(AwsKey("id", KEY.secret))


def test_every_readable_file_is_listed_page_by_page_and_fetched_by_any_name(bucket):
    connector = s3(bucket)
    documents = listed(connector)

    assert set(documents) == {key for key in FILES if key.endswith((".md", ".txt"))}
    for key, document in documents.items():
        assert connector.fetch(document).body == FILES[key]
    assert documents["readme.md"].media_type == "text/markdown"
    assert len(bucket.asked("list-type=2")) == 3
    assert connector.check() == "The bucket handbook answers with at least 2 files."


def test_prefix_and_patterns_are_borders(bucket):
    assert list(listed(s3(bucket, prefix="guides/", patterns=["*.md"], exclude=["*quoted*"]))) == ["guides/a b+c.md"]


def test_archived_files_are_left_out_and_said(bucket):
    bucket.classes["readme.md"] = "DEEP_ARCHIVE"
    connector = s3(bucket)

    assert "readme.md" not in listed(connector)
    assert connector.state["notice"].startswith("Left out 1: readme.md (archived")


def test_versions_follow_the_content(bucket):
    before = listed(s3(bucket))
    bucket.files["readme.md"] = b"# Changed"

    after = listed(s3(bucket))

    assert [key for key in after if after[key].version != before[key].version] == ["readme.md"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (error(401, "InvalidToken", "Expired."), r"token was refused.*“InvalidToken: Expired”"),
        (error(429, "SlowDown", "Slow", **{"Retry-After": "3600"}), "slow down.*3,600 seconds"),
        (FAULT, "has a fault"),
        (Page("<html>Hello</html>"), "is no S3"),
        (Page("<!DOCTYPE a [<!ENTITY b 'c'>]><ListBucketResult>&b;</ListBucketResult>"), "declares a document type"),
        (Page("<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>"), "more files, but not how"),
        (error(301, "PermanentRedirect", "Use another endpoint."), "another region"),
    ],
)
def test_half_a_listing_deletes_nothing(bucket, answer, said):
    bucket.fail("continuation-token", answer, answer)

    with pytest.raises(ListingFailed, match=f"{said}.*Nothing was deleted"):
        listed(s3(bucket))


def test_wrong_keys_and_buckets_are_told(bucket):
    with pytest.raises(ListingFailed, match="SignatureDoesNotMatch"):
        s3(bucket, secret="wrong").check()
    with pytest.raises(ListingFailed, match="NoSuchBucket"):
        s3(bucket, bucket="nowhere").check()
    with pytest.raises(FetchFailed, match="NoSuchKey"):
        s3(bucket).fetch(RemoteDocument("gone.md"))


def test_a_bucket_that_is_busy_for_a_moment_is_asked_again(bucket):
    bucket.fail("list-type=2", error(503, "SlowDown", "Please reduce your request rate.", **{"Retry-After": "0"}))

    assert len(listed(s3(bucket))) == 4


def test_a_bucket_of_everybody_needs_no_key(bucket):
    bucket.may_enter = lambda call: "Authorization" not in call.headers

    assert len(list(S3Connector(S3Config(**config(bucket)), client=impatient_client()).list({}))) == 4


def test_amazons_own_addresses_are_made_of_region_and_bucket():
    connector = S3Connector(S3Config(bucket="hand.book", region="eu-west-1"))

    assert connector._address("/a") == "https://hand.book.s3.eu-west-1.amazonaws.com/a"


@pytest.mark.django_db(transaction=True)
def test_two_syncs_bring_a_bucket_up_to_date(bucket, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    bucket.files = {f"page-{number}.md": f"# Page {number}\n\nText.".encode() for number in range(6)}
    source = factories.source("bucket", connector="s3", config=config(bucket))
    source.set_secrets({"access_key_id": KEY.key_id, "secret_access_key": KEY.secret})
    source.save()
    assert factories.sync_now(source).receipt["live"] == 6
    bucket.files["page-1.md"] = b"# Page 1\n\nNew text."
    del bucket.files["page-2.md"]
    bucket.calls.clear()

    receipt = factories.sync_now(source).receipt

    assert (receipt["seen"], receipt["changed"], receipt["unchanged"], receipt["deleted"]) == (5, 1, 4, 1)
    assert "New text." in Document.objects.get(remote_id="page-1.md").text
    assert len(bucket.asked("page-")) == 1 + len(bucket.asked("continuation-token=page-"))

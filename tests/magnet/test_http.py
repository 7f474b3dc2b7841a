"""Fetching from the world: what is reached, what is refused, and what a person is told when it fails."""

from __future__ import annotations

import gzip
import socket
import zlib
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from magnet.errors import AddressRefused, FetchFailed
from magnet.outbound.http import OutboundClient
from tests.fake_website import FakeWebsite, Page, fake_website
from tests.memory import memory_peak

MB = 1024 * 1024


@pytest.fixture
def site(settings):
    settings.ALLOWED_PRIVATE_HOSTS = ["127.0.0.1"]
    with fake_website() as site:
        yield site


@pytest.fixture
def client():
    with OutboundClient(timeout_seconds=2, total_seconds=5, attempts=3, first_wait_seconds=0.01) as client:
        yield client


def reason_of(caught: pytest.ExceptionInfo[FetchFailed]) -> str:
    return str(caught.value.extra["reason"])


def test_fetches_a_page_and_says_who_is_asking(site: FakeWebsite, client):
    site.routes["/a"] = Page("Hello")

    response = client.get(f"{site.url}/a", max_bytes=MB)

    assert (response.status, response.body, response.media_type) == (200, b"Hello", "text/html")
    assert site.calls[0].headers["User-Agent"].startswith("Magnet/0.")
    assert site.calls[0].headers["Host"] == f"127.0.0.1:{site.port}"


def test_a_proxy_in_the_environment_is_ignored(site, client, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    site.routes["/a"] = Page("Hello")

    with OutboundClient(attempts=1) as other:
        assert other.get(f"{site.url}/a", max_bytes=MB).body == b"Hello"


# -- Redirects -----------------------------------------------------------------------------------------------


def test_a_redirect_to_another_private_address_is_refused(site, client):
    with fake_website("127.0.0.2") as inner:
        inner.routes["/secret"] = Page("the secret")
        site.routes["/a"] = Page(status=302, headers={"Location": f"{inner.url}/secret"})

        with pytest.raises(AddressRefused, match=r"127\.0\.0\.2.*MAGNET_ALLOWED_PRIVATE_HOSTS"):
            client.get(f"{site.url}/a", max_bytes=MB)

        assert inner.calls == []


def test_five_redirects_are_followed_and_a_loop_is_not(site, client):
    for step in range(5):
        site.routes[f"/{step}"] = Page(status=301, headers={"Location": f"/{step + 1}"})
    site.routes["/5"] = Page("There")
    site.routes["/loop"] = Page(status=307, headers={"Location": "/loop"})

    assert client.get(f"{site.url}/0", max_bytes=MB).url == f"{site.url}/5"
    with pytest.raises(FetchFailed, match="redirects more than 5 times") as caught:
        client.get(f"{site.url}/loop", max_bytes=MB)

    assert reason_of(caught) == "redirects"
    assert site.paths().count("/loop") == 6


def test_secrets_stay_with_the_host_they_are_for(site, client, settings):
    settings.ALLOWED_PRIVATE_HOSTS = ["127.0.0.0/8"]
    with fake_website("127.0.0.2") as other:
        other.routes["/b"] = Page("b")
        site.routes["/here"] = Page(status=302, headers={"Location": "/a"})
        site.routes["/a"] = Page(status=302, headers={"Location": f"{other.url}/b"})

        client.get(f"{site.url}/here", max_bytes=MB, secret_headers={"Authorization": "Bearer x"})

        assert [call.headers.get("Authorization") for call in site.calls] == ["Bearer x", "Bearer x"]
        assert "Authorization" not in other.calls[0].headers


def test_a_redirect_that_the_caller_declines_is_handed_back(site, client):
    site.routes["/a"] = Page(status=302, headers={"Location": "/b"})

    response = client.get(f"{site.url}/a", max_bytes=MB, may_follow=lambda target: False)

    assert response.redirects_to == f"{site.url}/b"


def test_a_redirect_to_a_file_is_refused(site, client):
    site.routes["/a"] = Page(status=302, headers={"Location": "file:///etc/passwd"})

    with pytest.raises(AddressRefused, match="must begin with http"):
        client.get(f"{site.url}/a", max_bytes=MB)


# -- Retries -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_busy_server_is_asked_again(site, client, status):
    site.routes["/a"] = [Page(status=status), Page(status=status), Page("Finally")]

    assert client.get(f"{site.url}/a", max_bytes=MB).body == b"Finally"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 500])
def test_other_statuses_are_told_at_once(site, client, status):
    site.routes["/a"] = Page(status=status)

    with pytest.raises(FetchFailed, match=f"status {status}") as caught:
        client.get(f"{site.url}/a", max_bytes=MB)

    assert caught.value.extra["remote_status"] == status
    assert len(site.calls) == 1


@pytest.mark.parametrize("as_date", [False, True])
def test_retry_after_beyond_our_patience_is_passed_on(site, client, as_date):
    in_an_hour = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    site.routes["/a"] = Page(status=429, headers={"Retry-After": in_an_hour if as_date else "3600"})

    with pytest.raises(FetchFailed, match="slow down") as caught:
        client.get(f"{site.url}/a", max_bytes=MB)

    assert caught.value.retry_after_seconds == pytest.approx(3600, abs=5)
    assert len(site.calls) == 1


def test_retry_after_is_waited_for(site, client, monkeypatch):
    waits = []
    monkeypatch.setattr("tenacity.nap.time.sleep", waits.append)
    site.routes["/a"] = [Page(status=503, headers={"Retry-After": "7"}), Page("Finally")]

    client.get(f"{site.url}/a", max_bytes=MB)

    assert [wait for wait in waits if wait] == [pytest.approx(7, abs=0.2)]


def test_a_broken_connection_is_tried_again_but_a_sent_body_is_not(site, client):
    site.routes["/a"] = [Page("half", is_cut_off=True), Page("whole")]
    site.routes["/b"] = [Page("half", is_cut_off=True), Page("whole")]

    assert client.get(f"{site.url}/a", max_bytes=MB).body == b"whole"
    with pytest.raises(FetchFailed, match="broke off"):
        client.send("POST", f"{site.url}/b", content=b"{}", max_bytes=MB)

    assert site.paths().count("/b") == 1
    assert site.calls[-1].body == b"{}"


# -- Limits --------------------------------------------------------------------------------------------------


def test_a_body_is_capped_whether_announced_or_not(site, client):
    site.routes["/announced"] = Page(b"x" * 2_000)
    site.routes["/packed"] = Page(gzip.compress(b"x" * 2_000), headers={"Content-Encoding": "gzip"})

    for path in ("/announced", "/packed"):
        with pytest.raises(FetchFailed, match="larger than") as caught:
            client.get(site.url + path, max_bytes=1_000)
        assert reason_of(caught) == "too_large"


def test_a_bomb_is_stopped_before_it_fills_the_memory(site, client):
    bomb = gzip.compress(b"\0" * 300 * MB)
    site.routes["/bomb"] = Page(bomb, headers={"Content-Encoding": "gzip"})

    with memory_peak() as peak, pytest.raises(FetchFailed, match="larger than 1 MB"):
        client.get(f"{site.url}/bomb", max_bytes=MB)

    assert peak() < 10 * MB


def test_packed_bodies_arrive_unpacked(site, client):
    text = b"Guten Tag. " * 20_000
    raw = zlib.compressobj(wbits=-15)
    packed = {
        "gzip": gzip.compress(text[:1000]) + gzip.compress(text[1000:]) + b"\0\0\0",
        "deflate": zlib.compress(text),
        "x-deflate": raw.compress(text) + raw.flush(),
    }
    for encoding, body in packed.items():
        site.routes[f"/{encoding}"] = Page(body, headers={"Content-Encoding": encoding.removeprefix("x-")})

        assert client.get(f"{site.url}/{encoding}", max_bytes=MB).body == text


def test_ten_megabytes_arrive_whole(site, client):
    site.routes["/big"] = Page(b"0123456789" * MB)

    assert len(client.get(f"{site.url}/big", max_bytes=20 * MB).body) == 10 * MB


def test_an_unwanted_body_is_not_downloaded(site, client):
    site.routes["/film"] = Page(b"x" * 100, media_type="video/mp4")

    response = client.get(f"{site.url}/film", max_bytes=10, is_wanted=lambda r: r.media_type == "text/html")

    assert (response.is_read, response.body) == (False, b"")


# -- What is told --------------------------------------------------------------------------------------------


def test_a_slow_server_and_a_dripping_one_time_out(site):
    site.routes["/slow"] = Page("late", pause_seconds=3)
    site.routes["/drip"] = Page(b"x" * 100, drip_seconds=0.05)

    with OutboundClient(timeout_seconds=0.2, total_seconds=0.4, attempts=1) as client:
        for path in ("/slow", "/drip"):
            with pytest.raises(FetchFailed, match="did not answer within") as caught:
                client.get(site.url + path, max_bytes=MB)
            assert reason_of(caught) == "timeout"


def test_a_closed_port_is_named(settings, client):
    settings.ALLOWED_PRIVATE_HOSTS = ["127.0.0.1"]
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]

    with pytest.raises(FetchFailed, match=f"127.0.0.1:{port} refuses the connection") as caught:
        client.get(f"http://127.0.0.1:{port}/", max_bytes=MB)

    assert reason_of(caught) == "refused"


def test_an_unknown_host_is_named(client):
    with pytest.raises(FetchFailed, match=r"no-such-host\.invalid cannot be found \(DNS\)") as caught:
        client.get("http://no-such-host.invalid/", max_bytes=MB)

    assert reason_of(caught) == "dns"


@pytest.mark.parametrize("secret", ["Bearer hid\nden", "Bearer hid\0den", "Bearer hiddén"])
def test_a_secret_that_was_torn_by_a_line_break_is_not_quoted_in_the_error(secret):
    with OutboundClient() as client, pytest.raises(FetchFailed) as refusal:
        client.get("https://wiki.example.com/", max_bytes=1_000, secret_headers={"Authorization": secret})

    assert "Copy it once more" in refusal.value.detail
    assert "hid" not in refusal.value.detail

"""Which addresses the world may make us fetch: the public ones, and those that the operator allows."""

from __future__ import annotations

import pytest

from knowledge.models import KnowledgeSource
from magnet.errors import AddressRefused
from magnet.outbound.addresses import allowed_addresses, host_and_port, is_public, operator_allows


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "0.0.0.0",
        "0.1.2.3",
        "169.254.169.254",  # the metadata service of most clouds
        "168.63.129.16",  # Azure's
        "192.0.0.192",  # Oracle's
        "100.100.100.200",  # Alibaba's, in the carriers' own range
        "100.64.0.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:a9fe:a9fe",
        "64:ff9b::127.0.0.1",
        "64:ff9b:1::1",
        "2002:7f00:1::",
        "2001:0:a00:1::",
        "2001:db8::1",
        "fd00:ec2::254",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
        "5f00::1",
    ],
)
def test_what_is_not_public_is_refused(settings, address):
    settings.ALLOWED_PRIVATE_HOSTS = []
    host = f"[{address.partition('%')[0]}]" if ":" in address else address

    assert not is_public(address)
    with pytest.raises(AddressRefused, match="MAGNET_ALLOWED_PRIVATE_HOSTS"):
        look_up(f"http://{host}/latest/meta-data/")


@pytest.mark.parametrize("address", ["93.184.216.34", "8.8.8.8", "2606:4700::1111", "64:ff9b::808:808"])
def test_what_is_public_may_be_fetched(settings, address):
    settings.ALLOWED_PRIVATE_HOSTS = []
    host = f"[{address}]" if ":" in address else address

    look_up(f"https://{host}/")


@pytest.mark.parametrize(
    ("url", "because"),
    [
        ("http://2130706433/", "disguise"),
        ("http://0177.0.0.1/", "disguise"),
        ("http://0x7f.0.0.1/", "disguise"),
        ("http://127.1/", "disguise"),
        ("http://0x7f000001./", "disguise"),
        ("http://www.example.com@127.0.0.1/", "user name"),
        ("http://me:secret@www.example.com/", "user name"),
        ("http://127.0.0.1\\@www.example.com/", "backslash"),
        ("http://www.example.com/\r\nHost: inner", "control character"),
        ("file:///etc/passwd", "must begin with http"),
        ("gopher://www.example.com/", "must begin with http"),
        ("//www.example.com/", "must begin with http"),
        ("http:///etc/passwd", "names no host"),
        ("http://www.example.com:99999/", "not an address that can be read"),
        ("http://[::1/", "not an address that can be read"),
        ("http://localhost/", "MAGNET_ALLOWED_PRIVATE_HOSTS"),
    ],
)
def test_tricks_are_refused_with_a_sentence_that_says_why(settings, url, because):
    settings.ALLOWED_PRIVATE_HOSTS = []

    with pytest.raises(AddressRefused, match=because):
        look_up(url)


@pytest.mark.parametrize(
    ("entry", "host", "address", "port", "is_allowed"),
    [
        ("wiki.corp", "wiki.corp", "10.0.0.5", 443, True),
        ("Wiki.Corp", "WIKI.corp.", "10.0.0.5", 443, True),
        ("wiki.corp", "evil.wiki.corp", "10.0.0.5", 443, False),
        ("wiki.corp:8443", "wiki.corp", "10.0.0.5", 8443, True),
        ("wiki.corp:8443", "wiki.corp", "10.0.0.5", 22, False),
        ("10.0.0.0/8", "wiki.corp", "10.0.0.5", 443, True),
        ("10.0.0.0/8", "wiki.corp", "::ffff:10.0.0.5", 443, True),
        ("10.0.0.0/8", "wiki.corp", "192.168.0.5", 443, False),
        ("10.0.0.0/8:443", "wiki.corp", "10.0.0.5", 80, False),
        ("10.0.0.5", "10.0.0.5", "10.0.0.5", 80, True),
        ("10.0.0.5", "wiki.corp", "10.0.0.6", 80, False),
        ("fd00::/8", "wiki.corp", "fd00::5", 80, True),
        ("[::1]:8080", "localhost", "::1", 8080, True),
        ("[::1]:8080", "localhost", "::1", 22, False),
        ("::1", "localhost", "::1", 22, True),
        ("", "", "10.0.0.5", 80, False),
    ],
)
def test_the_operator_allows_names_addresses_and_networks(settings, entry, host, address, port, is_allowed):
    settings.ALLOWED_PRIVATE_HOSTS = [entry]

    assert operator_allows(address, host=host, port=port) is is_allowed


def look_up(url: str) -> None:
    """What every request does before it connects."""
    host, port = host_and_port(url)
    allowed_addresses(host, port=port)


@pytest.mark.parametrize(
    "url",
    [
        "http://127。0。0。1/",  # dots of other scripts
        "http://１２７.0.0.1/",  # digits of full width
        "http://①②⑦.⓪.⓪.①/",
        "http://ⓛocalhost/",
        "http://[::ffff:7f00:1]/",
        "http://[0:0:0:0:0:ffff:169.254.169.254]/",
        "http://[::ffff:0:127.0.0.1]/",
        "http://[64:ff9b::a9fe:a9fe]/",
        "http://[2002:a9fe:a9fe::]/",
        "http://[::7f00:1]/",
        "http://0/",
        "http://0x7f.1/",
        "http://017700000001/",
        "http://2852039166/",
        "http://localhost./",
        "http://127.0.0.1./",
        "http://127.0.0.1%2f@www.example.com/",
        "http://%31%32%37.0.0.1/",
        "http:127.0.0.1/",
        "http:/127.0.0.1/",
        "\\\\127.0.0.1\\share",
        "http://\t127.0.0.1/",
    ],
)
def test_no_spelling_of_the_own_machine_gets_through(settings, url):
    settings.ALLOWED_PRIVATE_HOSTS = []

    with pytest.raises((AddressRefused, OSError, UnicodeError)):
        look_up(url)


@pytest.mark.parametrize(
    "moved",
    [
        {"address": "//thief.example.com/feed"},
        {"address": "\\\\thief.example.com\\feed"},
        {"address": "https:thief.example.com"},
        {"address": "thief.example.com"},
        {"address": "https://wiki.example.com@thief.example.com/feed"},
        {"address": "https://wiki.example.com/feed", "mirror": "//thief.example.com"},
        {"address": "https://wiki.example.com/feed", "mirrors": [{"of": ["https://thief.example.com"]}]},
    ],
)
def test_whoever_names_another_address_in_whatever_spelling_loses_the_secrets(moved):
    source = KnowledgeSource(connector="rss", config={"address": "https://wiki.example.com/feed"})

    assert source.leads_elsewhere(moved)
    assert not source.leads_elsewhere({"address": "https://wiki.example.com/feed"})

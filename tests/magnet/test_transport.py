"""The connection goes to the address that was checked, under the name that was asked for."""

from __future__ import annotations

import datetime
import socket
import ssl

import httpx2
import openai
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from magnet.errors import AddressRefused, FetchFailed
from magnet.outbound.async_transport import CheckedAsyncTransport
from magnet.outbound.http import OutboundClient
from magnet.outbound.transport import CheckedTransport
from tests.fake_website import Page, fake_website


class Names:
    """The world's DNS: each name answers with its addresses, the last answer for ever."""

    def __init__(self, monkeypatch):
        self.answers: dict[str, list[list[str]]] = {}
        self.lookups: list[str] = []
        self.real = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", self.getaddrinfo)

    def getaddrinfo(self, host, port, *args, **kwargs):
        if host not in self.answers:
            return self.real(host, port, *args, **kwargs)
        self.lookups.append(host)
        answers = self.answers[host]
        addresses = answers.pop(0) if len(answers) > 1 else answers[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]


@pytest.fixture
def names(monkeypatch):
    return Names(monkeypatch)


@pytest.fixture
def client():
    with OutboundClient(timeout_seconds=2, attempts=1) as client:
        yield client


def test_a_name_that_changes_its_mind_gains_nothing(settings, names, client):
    settings.ALLOWED_PRIVATE_HOSTS = ["127.0.0.1"]
    names.answers["rebinding.test"] = [["127.0.0.1"], ["127.0.0.2"]]
    with fake_website() as site:
        site.routes["/a"] = Page("the checked one", headers={"Connection": "close"})
        url = f"http://rebinding.test:{site.port}/a"

        assert client.get(url, max_bytes=100).body == b"the checked one"
        assert names.lookups == ["rebinding.test"]
        assert site.calls[0].headers["Host"] == f"rebinding.test:{site.port}"
        with pytest.raises(AddressRefused, match=r"rebinding\.test is at 127\.0\.0\.2"):
            client.get(url, max_bytes=100)


def test_one_forbidden_address_among_several_refuses_the_name(settings, names, client):
    settings.ALLOWED_PRIVATE_HOSTS = ["127.0.0.1"]
    names.answers["mixed.test"] = [["127.0.0.1", "10.0.0.1"]]
    with fake_website() as site:
        with pytest.raises(AddressRefused, match=r"10\.0\.0\.1"):
            client.get(f"http://mixed.test:{site.port}/a", max_bytes=100)

        assert site.calls == []


def test_the_next_address_is_tried_when_the_first_is_dead(settings, names, client):
    settings.ALLOWED_PRIVATE_HOSTS = ["127.0.0.0/8"]
    names.answers["two.test"] = [["127.0.0.9", "127.0.0.1"]]
    with fake_website() as site:
        site.routes["/a"] = Page("alive")

        assert client.get(f"http://two.test:{site.port}/a", max_bytes=100).body == b"alive"


# -- TLS -----------------------------------------------------------------------------------------------------


def authority_for(name: str, folder) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's TLS with a self-signed certificate for one name, and a client's TLS that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "certificate.pem"
    plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(key.private_bytes(*plain) + certificate.public_bytes(serialization.Encoding.PEM))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    return server, ssl.create_default_context(cafile=str(file))


def test_the_certificate_is_checked_against_the_name_not_the_address(settings, names, tmp_path):
    settings.ALLOWED_PRIVATE_HOSTS = ["127.0.0.1"]
    names.answers = {"wiki.test": [["127.0.0.1"]], "other.test": [["127.0.0.1"]]}
    server_tls, client_tls = authority_for("wiki.test", tmp_path)
    asked_for = []
    server_tls.sni_callback = lambda connection, name, context: asked_for.append(name)
    with fake_website(tls=server_tls) as site:
        site.routes["/a"] = Page("over TLS")
        trusting = OutboundClient(attempts=1, transport=CheckedTransport(tls=client_tls))
        suspicious = OutboundClient(attempts=1)

        assert trusting.get(f"https://wiki.test:{site.port}/a", max_bytes=100).body == b"over TLS"
        assert asked_for == ["wiki.test"]
        for client, name in ((trusting, "other.test"), (suspicious, "wiki.test")):
            with pytest.raises(FetchFailed, match=f"certificate of {name}:{site.port} is not trusted") as caught:
                client.get(f"https://{name}:{site.port}/a", max_bytes=100)
            assert caught.value.extra["reason"] == "tls"


def test_a_server_without_tls_is_named(settings, client):
    settings.ALLOWED_PRIVATE_HOSTS = ["127.0.0.1"]
    with fake_website() as site, pytest.raises(FetchFailed, match="no common TLS"):
        client.get(site.url.replace("http:", "https:"), max_bytes=100)


# -- Model providers -----------------------------------------------------------------------------------------


async def test_the_client_of_the_model_providers_is_guarded_too(settings, names):
    settings.ALLOWED_PRIVATE_HOSTS = ["127.0.0.1"]
    names.answers = {"model.test": [["127.0.0.1"]], "evil.test": [["169.254.169.254"]]}
    with fake_website() as site:
        site.routes["/v1/models"] = Page('{"object": "list", "data": []}', media_type="application/json")

        async with httpx2.AsyncClient(transport=CheckedAsyncTransport(), trust_env=False) as http:
            good = openai.AsyncOpenAI(
                api_key="k", base_url=f"http://model.test:{site.port}/v1", http_client=http, max_retries=0
            )
            assert [model async for model in good.models.list()] == []

            evil = openai.AsyncOpenAI(api_key="k", base_url="http://evil.test/v1", http_client=http, max_retries=0)
            with pytest.raises(AddressRefused, match="MAGNET_ALLOWED_PRIVATE_HOSTS"):
                await evil.models.list()

        assert names.lookups == ["model.test", "evil.test"]

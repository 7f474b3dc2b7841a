"""Which outbound addresses may be reached: public ones, and private ones that the operator allows."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings

from magnet.errors import AddressRefused

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

# Globally routable by the registries (or by an older `ipaddress`), yet never a website: protocol assignments with
# Oracle's metadata service, 6to4 relays, and Azure's metadata service.
NEVER_PUBLIC = tuple(
    ipaddress.ip_network(network) for network in ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32")
)
PUBLIC_IPV6 = ipaddress.ip_network("2000::/3")
NAT64 = ipaddress.ip_network("64:ff9b::/96")
LONGEST_HOST = 254
DEFAULT_PORTS = {"http": 80, "https": 443}
# 127.1, 0x7f.1, 2130706433: what ends in a number is an address to the resolver, whatever it looks like.
LOOKS_NUMERIC = re.compile(r"(^|\.)(0[xX][0-9a-fA-F]*|[0-9]+)\.?$")
# The second half of what a private address of an API or MCP server needs, as the API and as the form call it.
SWITCH_OF_A_SERVER = (
    "switch on allows_private_addresses for this server (in its form under “Limits and safety”: “May be at a private "
    "address”)"
)
NOT_IN_A_URL = re.compile(r"[\x00-\x20\x7f\\]")


def host_and_port(url: str) -> tuple[str, int]:
    """The host and port that a URL names; AddressRefused for anything but plain http and https."""
    if NOT_IN_A_URL.search(url):
        raise AddressRefused("The address holds a blank, a backslash or a control character. Write it plainly.")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise AddressRefused(f"{url!r} is not an address that can be read: {error}.") from error
    if parts.scheme not in DEFAULT_PORTS:
        raise AddressRefused(f"{url!r} cannot be fetched: the address must begin with http:// or https://.")
    if not host:
        raise AddressRefused(f"{url!r} names no host. Write it like https://www.example.com/help.")
    if "@" in parts.netloc:
        raise AddressRefused(f"The address of {host} holds a user name. Enter credentials in their own fields.")
    refuse_disguised(host)
    refuse_unspeakable(host)
    return host, port or DEFAULT_PORTS[parts.scheme]


def refuse_disguised(host: str) -> None:
    if LOOKS_NUMERIC.search(host) and not is_plain_address(host):
        raise AddressRefused(f"{host} is an address in disguise. Write it like 192.0.2.1, or use the host's name.")


def refuse_unspeakable(host: str) -> None:
    """What no resolver takes (RFC 1035, 2.3.4): parts that are empty or over 63 characters long, 253 in all."""
    try:
        is_too_long = not is_plain_address(host) and len(host.encode("idna")) > LONGEST_HOST
    except UnicodeError:
        is_too_long = True
    if is_too_long:
        raise AddressRefused(f"{host[:80]} is no name of a host: a part of it is empty or too long.")


def is_plain_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def allowed_addresses(host: str, *, port: int) -> list[str]:
    """Resolve a host once; all of its addresses must be allowed. Raises AddressRefused, or the resolver's OSError."""
    answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return permitted((str(answer[4][0]) for answer in answers), host=host, port=port)


def permitted(addresses: Iterable[str], *, host: str, port: int, allows_private: bool = True) -> list[str]:
    """The addresses as given, without doubles, or AddressRefused if a single one of them is not allowed.

    Without `allows_private`, what the operator allows does not count: only public addresses are.
    """
    refuse_disguised(host)
    unique = list(dict.fromkeys(addresses))
    for address in unique:
        if is_public(address):
            continue
        missing = [] if allows_private else [SWITCH_OF_A_SERVER]
        if not operator_allows(address, host=host, port=port):
            missing.append(f"the operator can add {host} to MAGNET_ALLOWED_PRIVATE_HOSTS")
        if missing:
            raise AddressRefused(
                f"{host} is at {address}, which is not a public address, so it is not called. If it is one of your "
                f"own systems, {', and '.join(missing)}.",
                host=host,
            )
    return unique


def is_public(address: str) -> bool:
    """Whether an address belongs to the public internet, seen through every wrapping of IPv4 in IPv6."""
    ip = unwrapped(address)
    if ip.is_multicast or ip.is_reserved or not ip.is_global:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        return ip in PUBLIC_IPV6
    return not any(ip in network for network in NEVER_PUBLIC)


def unwrapped(address: str) -> IPAddress:
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv4Address):
        return ip
    if ip in NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour or ip


def operator_allows(address: str, *, host: str, port: int) -> bool:
    ip = unwrapped(address)
    entries = (AllowedHost.parse(entry) for entry in settings.ALLOWED_PRIVATE_HOSTS)
    return any(entry.covers(ip, host=host, port=port) for entry in entries)


@dataclass(frozen=True)
class AllowedHost:
    """One entry of MAGNET_ALLOWED_PRIVATE_HOSTS: a host name, an address or a network, perhaps with a port."""

    name: str
    port: int | None
    network: ipaddress.IPv4Network | ipaddress.IPv6Network | None

    @classmethod
    def parse(cls, entry: str) -> AllowedHost:
        text, port = entry.strip().lower(), None
        if network_of(text) is None and (match := re.fullmatch(r"(.+):(\d+)", text)):
            text, port = match[1], int(match[2])
        return cls(name=text.rstrip("."), port=port, network=network_of(text.strip("[]")))

    def covers(self, ip: IPAddress, *, host: str, port: int) -> bool:
        if self.port not in (None, port):
            return False
        if self.network is None:
            return bool(self.name) and host.lower().rstrip(".") == self.name
        return ip in self.network


def network_of(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None

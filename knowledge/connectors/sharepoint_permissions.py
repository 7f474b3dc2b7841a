"""Whom SharePoint lets see a document: the permissions that Graph names, in which inherited ones stand already.

Shapes (as of 2026-11-22): https://learn.microsoft.com/en-us/graph/api/resources/permission and, of what a change of
permissions looks like, https://learn.microsoft.com/en-us/onedrive/developer/rest-api/concepts/scan-guidance.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from knowledge.connectors.permissions import Groups, is_expired

# Asks a delta to name what is for other people now, and how it says so.
NAMES_SHARING = "deltashowsharingchanges, hierarchicalsharing"
CHANGED = "@microsoft.graph.sharedChanged"

READING = {"read", "write", "owner", "sp.full control"}
# “Everyone” and “Everyone except external users”, by the sign-in names of SharePoint.
ALL_USERS = ("c:0(.s|true", "c:0-.f|rolemanager|spo-grid-all-users")
# Groups of Entra among the users of a site end with their id; “_o” after it stands for their owners only.
ENTRA_GROUPS = ("c:0t.c|tenant|", "c:0o.c|federateddirectoryclaimprovider|")


def groups_of(permissions: Iterable[dict[str, Any]], *, organisation: str, links_count: bool) -> Groups:
    """People by their address, groups by id, address or name; None for everybody.

    `links_count` says whether a link is enough that anyone, or anyone of the organisation, can open. Links for certain
    people always count for these.
    """
    names: set[str] = set()
    for permission in permissions:
        if is_expired(permission.get("expirationDateTime")) or not READING & set(permission.get("roles") or ()):
            continue
        scope = (permission.get("link") or {}).get("scope")
        if links_count and scope == "anonymous":
            return None
        if links_count and scope == "organization":
            names.add(organisation)
        for identities in identities_in(permission):
            names |= set(names_of(identities, organisation=organisation))
    return tuple(sorted(name for name in names if name))


def identities_in(permission: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """To whom it was granted; the older fields only where the newer ones are missing."""
    one = permission.get("grantedToV2") or permission.get("grantedTo")
    several = permission.get("grantedToIdentitiesV2") or permission.get("grantedToIdentities")
    yield from ([one] if one else [])
    yield from several or []


def names_of(identities: dict[str, Any], *, organisation: str) -> Iterator[str]:
    """The names of one grantee. Names of Entra groups can be taken by anybody, so their id and address count."""
    if any(is_everybody(identity) for identity in identities.values()):
        yield organisation
        return
    if group := identities.get("group"):
        yield str(group.get("id") or "")
        yield str(group.get("email") or "")
    elif site_group := identities.get("siteGroup"):
        yield str(site_group.get("displayName") or "")
    elif (login := login_of(identities.get("siteUser"))).startswith(ENTRA_GROUPS):
        yield "" if login.endswith("_o") else login.rpartition("|")[2]
    elif "user" in identities or "siteUser" in identities:
        yield address_of(identities.get("user") or {}) or address_of(identities.get("siteUser") or {})


def is_everybody(identity: Any) -> bool:
    return login_of(identity).startswith(ALL_USERS)


def login_of(identity: Any) -> str:
    return str(identity.get("loginName") or "") if isinstance(identity, dict) else ""


def address_of(user: dict[str, Any]) -> str:
    """The e-mail address, or the one to sign in with: “i:0#.f|membership|jane@example.com”."""
    signs_in_as = str(user.get("userPrincipalName") or user.get("loginName") or "").rpartition("|")[2]
    return str(user.get("email") or (signs_in_as if "@" in signs_in_as else ""))

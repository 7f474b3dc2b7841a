"""Whom Google Drive lets see a file: its list of permissions, in which those of folders and drives stand already.

Shape: https://developers.google.com/workspace/drive/api/reference/rest/v3/permissions (as of 2026-11-22).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from knowledge.connectors.permissions import Groups, is_expired

PERMISSION_FIELDS = "type,role,emailAddress,domain,allowFileDiscovery,expirationTime,deleted,view"


def groups_of(permissions: Iterable[dict[str, Any]], *, links_count: bool) -> Groups:
    """People and groups by their address, everybody of a domain by its name, None for what anyone finds.

    `links_count` says whether it is enough that anyone, or anyone of the domain, can open it by its link.
    """
    names: list[str] = []
    for permission in permissions:
        if permission.get("deleted") or permission.get("view") or is_expired(permission.get("expirationTime")):
            continue
        kind, is_open = permission.get("type"), links_count or permission.get("allowFileDiscovery") is True
        if kind == "anyone" and is_open:
            return None
        if kind == "domain" and is_open:
            names.append(str(permission.get("domain") or ""))
        if kind in ("user", "group"):
            names.append(str(permission.get("emailAddress") or ""))
    return tuple(name for name in names if name)

"""Whom Confluence lets see a page: who may view its space, and whom it and every page above it are restricted to.

All of these must allow it. Where a restriction names a person and the space a group, the members of the group decide.
Shapes (as of 2026-11-22), cloud: https://developer.atlassian.com/cloud/confluence/rest/v2/api-group-space-permissions/
and …/rest/v1/api-group-content-restrictions, -group, -users; data center:
https://developer.atlassian.com/server/confluence/rest/v1000/api-group-space-permissions, -content-restrictions.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from knowledge.connectors.permissions import Groups, Tally, is_refusal
from knowledge.connectors.rest import RestClient, quoted
from magnet.errors import FetchFailed

AT_ONCE = 200
LISTED_AT_ONCE = 250
# The kinds of content of the cloud that pages may stand below, and what their addresses are called.
ABOVE = {"page": "pages", "folder": "folders", "whiteboard": "whiteboards", "database": "databases", "embed": "embeds"}
Item = dict[str, Any]


@dataclass(frozen=True)
class Readers:
    """Users and groups by their keys; everybody where `is_public`."""

    users: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    is_public: bool = False


class PageReaders(ABC):
    """What one listing learns of permissions, each thing asked for once; a refusal counts for all that it concerns."""

    prefix: ClassVar[str]

    def __init__(self, api: RestClient) -> None:
        self.api = api
        self.tally = Tally()
        self.parents: dict[str, str] = {}
        self.emails: dict[str, str] = {}
        self._answers: dict[tuple[str, str], Any] = {}

    def groups_of(self, page: str, *, space: str) -> Groups:
        """For whom a page is; the pages above it are known from `place`, or asked for."""
        return self.tally.of(lambda: self._named(self._readers(page, space=space)))

    @abstractmethod
    def place(self, item: Item) -> None:
        """Remember where a page stands, before anybody is asked for."""

    @abstractmethod
    def _parent(self, page: str) -> str: ...

    @abstractmethod
    def _readers_of_space(self, space: str) -> Readers: ...

    @abstractmethod
    def _members_of(self, group: str) -> Iterator[Item]: ...

    @abstractmethod
    def _user(self, user: Item) -> str:
        """The key of a user, with what else is said of them remembered."""

    @abstractmethod
    def _group(self, group: Item) -> str: ...

    @abstractmethod
    def _name_of_user(self, key: str) -> str:
        """What callers call a user; empty where Confluence does not tell."""

    @abstractmethod
    def _name_of_group(self, key: str) -> str: ...

    # -- Who may see a page --------------------------------------------------------------------------------------------

    def _readers(self, page: str, *, space: str) -> Readers:
        way: list[str] = []
        while page and page not in way:
            way.append(page)
            page = self._parent(page)
        found: Readers = self._once("space", space, self._readers_of_space)
        # From the top down, so that pages which stand together share what was found above them.
        for above in reversed(way):
            found = self._once("page", above, partial(self._within, found))
        return found

    def _within(self, outer: Readers, page: str) -> Readers:
        """Those of a page's restriction who are allowed from above too."""
        inner = self._restriction(page)
        if inner is None or outer.is_public:
            return inner or outer
        users = {user for user in inner.users if self._may(user, outer)}
        for group in inner.groups - outer.groups:
            users |= {user for user in self._members(group) if self._may(user, outer)}
        return Readers(frozenset(users), inner.groups & outer.groups)

    def _may(self, user: str, readers: Readers) -> bool:
        return user in readers.users or any(user in self._members(group) for group in readers.groups)

    def _restriction(self, page: str) -> Readers | None:
        """Whom viewing is restricted to on this page itself; None where it is not."""
        path = f"{self.prefix}/rest/api/content/{quoted(page)}/restriction/byOperation/read"
        users: set[str] = set()
        groups: set[str] = set()
        start = 0
        while True:
            params = {"expand": "restrictions.user,restrictions.group", "start": start, "limit": AT_ONCE}
            found = self.api.get(path, params)["restrictions"]
            users |= {self._user(user) for user in found["user"]["results"]}
            groups |= {self._group(group) for group in found["group"]["results"]}
            most = max(len(found[kind]["results"]) for kind in ("user", "group"))
            if most < min(int(found[kind].get("limit") or AT_ONCE) for kind in ("user", "group")):
                return Readers(frozenset(users), frozenset(groups)) if users or groups else None
            start += most

    def _members(self, group: str) -> frozenset[str]:
        """The users in a group; nobody where Confluence does not tell."""
        return frozenset(self._once("members", group, self._read_members))

    def _read_members(self, group: str) -> frozenset[str]:
        try:
            return frozenset(self._user(user) for user in self._members_of(group))
        except FetchFailed as error:
            if not is_refusal(error):
                raise
            self.tally.unread_groups += 1
            return frozenset()

    def _named(self, readers: Readers) -> Groups:
        if readers.is_public:
            return None
        groups = {self._once("group", key, self._name_of_group) for key in readers.groups}
        users = {self._once("user", key, self._name_of_user) for key in readers.users}
        return tuple(sorted((groups | users) - {""}))

    def _once(self, kind: str, key: str, ask: Callable[[str], Any]) -> Any:
        """What `ask` answered the first time, also when it was refused."""
        if (kind, key) not in self._answers:
            try:
                self._answers[kind, key] = ask(key)
            except FetchFailed as error:
                self._answers[kind, key] = error
        answer = self._answers[kind, key]
        if isinstance(answer, FetchFailed):
            # Anew each time: a traceback that grew with every page would hold all of them.
            raise answer.with_traceback(None)
        return answer

    def _asked(self, path: str, params: dict[str, str]) -> Item:
        """What is told of a user or a group; nothing where it is refused."""
        try:
            return dict(self.api.get(path, params))
        except FetchFailed as error:
            if not is_refusal(error):
                raise
            return {}

    def _paged(self, path: str) -> Iterator[Item]:
        pages = self.api.offset_pages(path, items_of=lambda page: list(page["results"]), size=AT_ONCE)
        yield from (item for page in pages for item in page["results"])


class CloudReaders(PageReaders):
    prefix = "/wiki"

    def __init__(self, api: RestClient) -> None:
        super().__init__(api)
        self._kinds: dict[str, str] = {}
        self._group_names: dict[str, str] = {}

    def place(self, item: Item) -> None:
        id, parent = str(item["id"]), str(item.get("parentId") or "")
        self.parents[id] = parent
        self._kinds[parent] = str(item.get("parentType") or "page")

    def _parent(self, page: str) -> str:
        """Of folders, and of pages that are not listed, Confluence is asked."""
        if page not in self.parents:
            kind = ABOVE.get(self._kinds.get(page, "page"), "pages")
            self.place(self._once("above", page, lambda id: self.api.get(f"/wiki/api/v2/{kind}/{quoted(id)}")))
        return self.parents[page]

    def _readers_of_space(self, space: str) -> Readers:
        path = f"/wiki/api/v2/spaces/{quoted(space)}/permissions"
        pages = self.api.linked_pages(path, {"limit": LISTED_AT_ONCE}, next_of=_next_link)
        given = [item for page in pages for item in page["results"] if _is_viewing(item["operation"], "key")]
        named = [(str(item["principal"]["type"]).casefold(), str(item["principal"]["id"])) for item in given]
        return Readers(
            frozenset(id for kind, id in named if kind == "user"),
            frozenset(id for kind, id in named if kind == "group"),
            is_public=any(kind not in ("user", "group") and "anonymous" in id.casefold() for kind, id in named),
        )

    def _members_of(self, group: str) -> Iterator[Item]:
        return self._paged(f"/wiki/rest/api/group/{quoted(group)}/membersByGroupId")

    def _user(self, user: Item) -> str:
        key = str(user["accountId"])
        if user.get("email"):
            self.emails[key] = str(user["email"])
        return key

    def _group(self, group: Item) -> str:
        key = str(group.get("id") or group["name"])
        self._group_names[key] = str(group["name"])
        return key

    def _name_of_user(self, key: str) -> str:
        if key not in self.emails:
            self.emails[key] = str(self._asked("/wiki/rest/api/user", {"accountId": key}).get("email") or "")
        return self.emails[key]

    def _name_of_group(self, key: str) -> str:
        if key not in self._group_names:
            self._group_names[key] = str(self._asked("/wiki/rest/api/group/by-id", {"id": key}).get("name") or key)
        return self._group_names[key]


class DataCenterReaders(PageReaders):
    prefix = ""

    def __init__(self, api: RestClient) -> None:
        super().__init__(api)
        self._user_names: dict[str, str] = {}

    def place(self, item: Item) -> None:
        way = ["", *(str(above["id"]) for above in item.get("ancestors") or ()), str(item["id"])]
        self.parents.update(zip(way[1:], way[:-1], strict=True))

    def _parent(self, page: str) -> str:
        return self.parents[page]

    def _readers_of_space(self, space: str) -> Readers:
        given = self.api.get(f"/rest/api/space/{quoted(space)}/permissions")
        subjects = [item.get("subject") or {} for item in given if _is_viewing(item["operation"], "operationKey")]
        users = [subject for subject in subjects if subject.get("userKey") or subject.get("username")]
        groups = [subject for subject in subjects if subject.get("type") == "group" and subject.get("name")]
        return Readers(
            frozenset(self._user(user) for user in users),
            frozenset(self._group(group) for group in groups),
            is_public=any(not subject or subject.get("type") == "anonymous" for subject in subjects),
        )

    def _members_of(self, group: str) -> Iterator[Item]:
        return self._paged(f"/rest/api/group/{quoted(group)}/member")

    def _user(self, user: Item) -> str:
        key = str(user.get("userKey") or user["username"])
        if user.get("email"):
            self.emails[key] = str(user["email"])
        if user.get("username"):
            self._user_names[key] = str(user["username"])
        return key

    def _group(self, group: Item) -> str:
        return str(group["name"])

    def _name_of_user(self, key: str) -> str:
        """The e-mail address where it is told, or “user:” and the user name, which is no name of a group."""
        if key not in self.emails and key not in self._user_names:
            told = self._asked("/rest/api/user", {"key": key})
            if told:
                self._user(told)
        name = self._user_names.get(key, "")
        return self.emails.get(key) or (f"user:{name}" if name else "")

    def _name_of_group(self, key: str) -> str:
        return key


def _is_viewing(operation: Item, name: str) -> bool:
    return operation.get(name) == "read" and operation.get("targetType") == "space"


def _next_link(page: Any) -> str:
    return str(page.get("_links", {}).get("next") or "")

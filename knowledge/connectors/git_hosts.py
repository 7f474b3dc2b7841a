"""GitHub and GitLab by their REST APIs: the newest commit of a branch, the files in it, and one file."""

from __future__ import annotations

import base64
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import parse_qsl, quote, urlsplit

from pydantic import SecretStr

from knowledge.connectors.rest import HeaderSignIn, RestClient, quoted
from magnet.errors import SourceError
from magnet.outbound.http import OutboundClient

NEXT = re.compile(r'<([^>]+)>\s*;[^,]*rel="next"')
FILES_AT_ONCE = 100
SYMBOLIC_LINK = "120000"


@dataclass(frozen=True)
class File:
    """A file in a commit; `sha` changes with its content and with nothing else."""

    path: str
    sha: str


@dataclass(frozen=True)
class Head:
    """The newest commit of a branch; `tree` is its root folder, where the host names it."""

    branch: str
    sha: str
    tree: str = ""


class GitHost(ABC):
    """One repository at one host."""

    name: ClassVar[str]
    # Where a host of one's own has its API.
    api_path: ClassVar[str]

    def __init__(self, address: str, *, api_address: str, token: SecretStr, client: OutboundClient) -> None:
        self.address = address
        parts = urlsplit(address)
        self.repository = parts.path.strip("/").removesuffix(".git")
        origin = f"{parts.scheme}://{parts.netloc}"
        secret = token.get_secret_value().strip()
        sign_in = HeaderSignIn(self.credentials(secret) if secret else {})
        base = api_address or self.public_api(origin) or f"{origin}{self.api_path}"
        self.api = RestClient(base, name=self.name, client=client, sign_in=sign_in, headers=self.headers())

    @abstractmethod
    def credentials(self, token: str) -> dict[str, str]: ...

    @abstractmethod
    def head(self, branch: str) -> Head:
        """The newest commit of a branch; of the default branch where none is named."""

    @abstractmethod
    def files(self, head: Head, *, folder: str) -> Iterator[File]:
        """Every file below a folder, once; SourceError where the folder is not there."""

    @abstractmethod
    def body(self, file: File) -> bytes: ...

    @abstractmethod
    def page_of(self, path: str, *, branch: str) -> str:
        """The address at which people see a file."""

    def public_api(self, origin: str) -> str:
        return ""

    def headers(self) -> dict[str, str]:
        return {}

    def no_folder(self, folder: str, head: Head) -> SourceError:
        return SourceError(f"There is no folder {folder} in the branch {head.branch} of {self.repository}.")


class GitHub(GitHost):
    """https://docs.github.com/en/rest/git/trees, /git/blobs and /commits/commits, as of November 2026."""

    name: ClassVar[str] = "GitHub"
    api_path: ClassVar[str] = "/api/v3"

    def public_api(self, origin: str) -> str:
        return "https://api.github.com" if origin in {"https://github.com", "https://www.github.com"} else ""

    def headers(self) -> dict[str, str]:
        return {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}

    def credentials(self, token: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {token}"}

    def head(self, branch: str) -> Head:
        branch = branch or str(self.api.get(self._path())["default_branch"])
        commit = self.api.get(self._path("commits", branch))
        return Head(branch, str(commit["sha"]), str(commit["commit"]["tree"]["sha"]))

    def files(self, head: Head, *, folder: str) -> Iterator[File]:
        tree, above = head.tree, ""
        for part in filter(None, folder.split("/")):
            found = {item["path"]: item["sha"] for item in self._tree(tree)["tree"] if item["type"] == "tree"}
            if part not in found:
                raise self.no_folder(folder, head)
            tree, above = str(found[part]), f"{above}{part}/"
        yield from self._below(tree, above)

    def body(self, file: File) -> bytes:
        blob = self.api.get(self._path("git", "blobs", file.sha))
        if blob["encoding"] != "base64":
            return str(blob["content"]).encode()
        return base64.b64decode(blob["content"])

    def page_of(self, path: str, *, branch: str) -> str:
        return f"{self.address.removesuffix('.git')}/blob/{quote(branch)}/{quote(path)}"

    def _below(self, tree: str, above: str) -> Iterator[File]:
        """In one answer where it is complete; a tree that is too large is walked folder by folder."""
        whole = self._tree(tree, recursive="1")
        if not whole.get("truncated"):
            yield from (File(above + item["path"], item["sha"]) for item in whole["tree"] if is_file(item))
            return
        level = self._tree(tree)
        if level.get("truncated"):
            raise SourceError(f"The folder {above or '/'} holds more files than GitHub names. Choose folders below it.")
        for item in level["tree"]:
            if is_file(item):
                yield File(above + item["path"], item["sha"])
            elif item["type"] == "tree":
                yield from self._below(str(item["sha"]), f"{above}{item['path']}/")

    def _tree(self, sha: str, **params: str) -> dict[str, Any]:
        return dict(self.api.get(self._path("git", "trees", sha), params))

    def _path(self, *parts: str) -> str:
        return "/".join(["/repos", quote(self.repository), *map(quote, parts)])


class GitLab(GitHost):
    """https://docs.gitlab.com/api/repositories/, /api/commits/ and /api/rest/#pagination, as of November 2026."""

    name: ClassVar[str] = "GitLab"
    api_path: ClassVar[str] = "/api/v4"

    def credentials(self, token: str) -> dict[str, str]:
        return {"PRIVATE-TOKEN": token}

    def head(self, branch: str) -> Head:
        branch = branch or str(self.api.get(self._path())["default_branch"])
        return Head(branch, str(self.api.get(f"{self._path()}/repository/commits/{quoted(branch)}")["id"]))

    def files(self, head: Head, *, folder: str) -> Iterator[File]:
        # By commit, so that a push between two pages does not tear the listing.
        asked: dict[str, Any] = {"ref": head.sha, "path": folder, "recursive": True, "per_page": FILES_AT_ONCE}
        is_empty = True
        for page in self._pages(f"{self._path()}/repository/tree", {**asked, "pagination": "keyset"}):
            is_empty = is_empty and not page
            yield from (File(item["path"], item["id"]) for item in page if is_file(item))
        if is_empty and folder:
            raise self.no_folder(folder, head)

    def body(self, file: File) -> bytes:
        return self.api.download(f"{self._path()}/repository/blobs/{quoted(file.sha)}/raw").body

    def page_of(self, path: str, *, branch: str) -> str:
        return f"{self.address.removesuffix('.git')}/-/blob/{quote(branch)}/{quote(path)}"

    def _pages(self, path: str, params: dict[str, Any]) -> Iterator[list[dict[str, Any]]]:
        """Page after page by the Link header. Only its query is taken: behind a proxy, GitLab misnames its host."""
        seen = set()
        while True:
            response = self.api.response(path, params)
            yield list(self.api.decoded(response))
            following = NEXT.search(response.headers.get("link", ""))
            if not following:
                return
            query = urlsplit(following[1]).query
            if query in seen:
                raise SourceError("GitLab named the same next page twice, so its listing would never end.")
            seen.add(query)
            params = {**params, **dict(parse_qsl(query))}

    def _path(self) -> str:
        return f"/projects/{quoted(self.repository)}"


def is_file(item: dict[str, Any]) -> bool:
    return item["type"] == "blob" and item.get("mode") != SYMBOLIC_LINK


GIT_HOSTS: dict[str, type[GitHost]] = {
    "github": GitHub,
    "gitlab": GitLab,
}

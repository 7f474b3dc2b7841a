"""GitHub and GitLab on the loopback, with one repository each.

Shapes, as of November 2026:
- https://docs.github.com/en/rest/repos/repos#get-a-repository, /rest/commits/commits#get-a-commit,
  /rest/git/trees#get-a-tree (`truncated`: fetch one sub-tree at a time), /rest/git/blobs#get-a-blob (base64)
- https://docs.gitlab.com/api/projects/, /api/commits/, /api/repositories/#list-repository-tree and its raw blobs,
  /api/rest/#keyset-based-pagination (the next page stands in the Link header)
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any
from urllib.parse import unquote

from tests.fake_website import Call, Page
from tests.knowledge.connectors.fake_api import FakeApi, as_json, path_of, query_of

REPOSITORY = "acme/docs/handbook"


def blob_sha(body: bytes) -> str:
    """As git computes it."""
    return hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()


class FakeRepository(FakeApi):
    """`files` by path; what starts with `->` is a symbolic link."""

    repository = REPOSITORY

    def __init__(self) -> None:
        super().__init__()
        self.files: dict[str, bytes] = {}

    @property
    def address(self) -> str:
        return f"{self.url}/{self.repository}"

    @property
    def commit(self) -> str:
        said = json.dumps(sorted((path, blob_sha(body)) for path, body in self.files.items()))
        return hashlib.sha1(said.encode()).hexdigest()

    def blob(self, sha: str) -> bytes | None:
        return next((body for body in self.files.values() if blob_sha(body) == sha), None)

    def entries(self, folder: str, *, recursive: bool) -> list[dict[str, Any]]:
        """Files and folders below a folder, by their path relative to it."""
        found: dict[str, dict[str, Any]] = {}
        for path, body in sorted(self.files.items()):
            if not path.startswith(folder):
                continue
            parts = path.removeprefix(folder).split("/")
            for depth in range(1, len(parts)):
                below = "/".join(parts[:depth])
                found[below] = {"path": below, "mode": "040000", "type": "tree", "sha": f"tree:{folder}{below}/"}
            mode = "120000" if body.startswith(b"->") else "100644"
            own = "/".join(parts)
            found[own] = {"path": own, "mode": mode, "type": "blob", "sha": blob_sha(body), "size": len(body)}
        return [item for item in found.values() if recursive or "/" not in item["path"]]


class FakeGitHub(FakeRepository):
    authorization = "Bearer ghp_secret"
    repository = "acme/handbook"
    most_entries = 100

    def refuse(self, call: Call) -> Page:
        return as_json({"message": "Bad credentials", "documentation_url": "https://docs.github.com/rest"}, status=401)

    def respond(self, call: Call) -> Page:
        prefix = f"/api/v3/repos/{self.repository}"
        path = unquote(path_of(call))
        if not path.startswith(prefix):
            return as_json({"message": "Not Found"}, status=404)
        kind, _, rest = path.removeprefix(prefix).lstrip("/").partition("/")
        if not kind:
            return as_json({"full_name": self.repository, "default_branch": "main"})
        if (kind, rest) in {("commits", "main"), ("commits", "release/1.x")}:
            return as_json({"sha": self.commit, "commit": {"tree": {"sha": "tree:"}}})
        if rest.startswith("trees/tree:"):
            return self.tree(rest.removeprefix("trees/tree:"), recursive="recursive" in query_of(call))
        return self.git_blob(rest.removeprefix("blobs/"))

    def tree(self, folder: str, *, recursive: bool) -> Page:
        entries = self.entries(folder, recursive=recursive)
        is_cut = len(entries) > self.most_entries
        tree = entries[: self.most_entries]
        return as_json({"sha": f"tree:{folder}", "tree": tree, "truncated": is_cut})

    def git_blob(self, sha: str) -> Page:
        body = self.blob(sha)
        if body is None:
            return as_json({"message": "Not Found"}, status=404)
        content = base64.encodebytes(body).decode()
        return as_json({"sha": sha, "size": len(body), "encoding": "base64", "content": content})


class FakeGitLab(FakeRepository):
    page_size = 2

    def may_enter(self, call: Call) -> bool:
        return call.headers.get("PRIVATE-TOKEN") == "glpat-secret"

    def refuse(self, call: Call) -> Page:
        return as_json({"message": "401 Unauthorized"}, status=401)

    def respond(self, call: Call) -> Page:
        prefix = "/api/v4/projects/acme%2Fdocs%2Fhandbook"
        path = path_of(call)
        if not path.startswith(prefix):
            return as_json({"message": "404 Project Not Found"}, status=404)
        rest = path.removeprefix(prefix)
        if not rest:
            return as_json({"path_with_namespace": self.repository, "default_branch": "main"})
        if rest in {"/repository/commits/main", "/repository/commits/release%2F1.x"}:
            return as_json({"id": self.commit, "short_id": self.commit[:8], "title": "Write"})
        if rest == "/repository/tree":
            return self.tree(query_of(call))
        body = self.blob(rest.split("/")[3]) if rest.endswith("/raw") else None
        return Page(body, media_type="text/plain") if body is not None else as_json({"message": "404"}, status=404)

    def tree(self, query: dict[str, str]) -> Page:
        assert query["ref"] == self.commit
        folder = f"{query['path']}/" if query.get("path") else ""
        items = [
            {
                "id": item["sha"],
                "name": item["path"].rpartition("/")[2],
                "type": item["type"],
                "path": folder + item["path"],
                "mode": item["mode"],
            }
            for item in self.entries(folder, recursive=query.get("recursive") == "true")
        ]
        start = int(query.get("page_token", 0))
        links: list[str] = []
        if start + self.page_size < len(items):
            # Behind a proxy, GitLab names the host that it believes to have.
            following = f"https://gitlab.internal/api/v4/tree?page_token={start + self.page_size}"
            links = [f'<{following}&pagination=keyset>; rel="next"', '<https://gitlab.internal/>; rel="first"']
        return as_json(items[start : start + self.page_size], Link=", ".join(links))

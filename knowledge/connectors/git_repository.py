"""Documentation that lives beside code: Markdown and text files of a repository at GitHub or GitLab."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, SecretStr, field_validator

from knowledge.connectors.base import KEEP_THE_REST, Content, ListingItem, RemoteDocument
from knowledge.connectors.git_hosts import GIT_HOSTS, File, GitHost
from knowledge.connectors.globs import matches_any
from knowledge.connectors.readable import media_type_of
from knowledge.connectors.rest import address_of_api
from knowledge.connectors.rest_connector import RestConnector, Shape, counted
from magnet.errors import FetchFailed, SourceError

MAX_REMOTE_ID = 1_000
MARKDOWN = (".md", ".mdx", ".markdown")
LARGE_FILE = b"version https://git-lfs.github.com/spec/"


class GitRepositoryConfig(Shape):
    host: Literal["github", "gitlab"] = Field(
        default="github",
        title="Kind of host",
        description="Also for GitHub Enterprise and a GitLab of your own.",
        json_schema_extra={"labels": {"github": "GitHub", "gitlab": "GitLab"}},
    )
    address: str = Field(
        title="Address of the repository", description="As in the browser, such as https://github.com/example/handbook."
    )
    branch: str = Field(default="", title="Branch", description="Empty means the default branch.", max_length=250)
    folder: str = Field(default="", title="Only below", description="Such as docs; empty means the whole repository.")
    patterns: list[str] = Field(
        default=["*.md", "*.mdx", "*.markdown", "*.rst", "*.adoc", "*.txt"],
        title="Files",
        description="Such as *.md or guides/**; one is enough for a file to be read.",
    )
    exclude: list[str] = Field(default=[], title="Leave out", description="Such as node_modules/** or CHANGELOG.md.")
    api_address: str = Field(
        default="",
        title="Address of the API",
        description="Only where it is not at the usual place (/api/v3 for GitHub Enterprise, /api/v4 for GitLab).",
    )

    @field_validator("address", "api_address")
    @classmethod
    def is_an_address(cls, value: str) -> str:
        return address_of_api(value) if value.strip() else ""

    @field_validator("address")
    @classmethod
    def names_a_repository(cls, value: str) -> str:
        if urlsplit(value).path.strip("/").count("/") < 1:
            raise ValueError("Enter the address of one repository, such as https://github.com/example/handbook.")
        return value

    @field_validator("folder")
    @classmethod
    def is_a_path(cls, value: str) -> str:
        return value.strip().strip("/")


class GitRepositorySecrets(Shape):
    token: SecretStr = Field(
        default=SecretStr(""),
        title="Access token",
        description="One that may only read this repository. Empty for a public one, with tight limits at GitHub.",
    )


class GitRepositoryConnector(RestConnector):
    """Lists the files of the newest commit; while there is no newer one (`state["commit"]`), it lists nothing."""

    label: ClassVar[str] = "Git repository"
    description: ClassVar[str] = "Markdown and text files at GitHub or GitLab."
    Config: ClassVar[type[BaseModel]] = GitRepositoryConfig
    Secrets: ClassVar[type[BaseModel]] = GitRepositorySecrets
    config: GitRepositoryConfig

    def found(self) -> str:
        head = self.host.head(self.config.branch)
        files = sum(1 for file in self.host.files(head, folder=self.config.folder) if self._is_meant(file.path))
        return f"Found {counted(files, 'file')} in the branch {head.branch} of {self.host.repository}."

    def documents(self, known: Mapping[str, str]) -> Iterator[ListingItem]:
        head = self.host.head(self.config.branch)
        if self.state.get("commit") == head.sha:
            yield KEEP_THE_REST
            return
        too_long = 0
        for file in self.host.files(head, folder=self.config.folder):
            if not self._is_meant(file.path):
                continue
            if len(file.path) > MAX_REMOTE_ID:
                too_long += 1
                continue
            yield self._document(file, branch=head.branch)
        self.state.clear()
        self.state["commit"] = head.sha
        if too_long:
            self.state["notice"] = f"Left out {too_long:,} files with a path of more than {MAX_REMOTE_ID:,} characters."

    def content_of(self, document: RemoteDocument) -> Content:
        body = self.host.body(File(document.remote_id, document.version))
        name = document.remote_id.rpartition("/")[2]
        if body.startswith(LARGE_FILE):
            raise FetchFailed(f"{name} is kept in Git LFS, which is not read. Put the file itself into the repository.")
        return Content(body, media_type=document.media_type, filename=name)

    @cached_property
    def host(self) -> GitHost:
        config = self.config
        if not config.address:
            raise SourceError("Enter the address of the repository.")
        kind = GIT_HOSTS[config.host]
        return kind(config.address, api_address=config.api_address, token=self.secrets.token, client=self.outbound)

    def _document(self, file: File, *, branch: str) -> RemoteDocument:
        is_markdown = file.path.lower().endswith(MARKDOWN)
        return RemoteDocument(
            remote_id=file.path,
            url=self.host.page_of(file.path, branch=branch),
            media_type="text/markdown" if is_markdown else media_type_of(file.path) or "text/plain",
            version=file.sha,
            metadata={"path": file.path, "repository": self.host.repository, "branch": branch},
        )

    def _is_meant(self, path: str) -> bool:
        return matches_any(path, self.config.patterns) and not matches_any(path, self.config.exclude)

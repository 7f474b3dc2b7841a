"""Website pages, landing pages and blog posts of a HubSpot CMS."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any, ClassVar

from pydantic import BaseModel, Field, SecretStr, field_validator

from knowledge.connectors.base import Content, ListingItem, RemoteDocument
from knowledge.connectors.rest import RestClient, address_of_api, bearer, needed, quoted
from knowledge.connectors.rest_connector import RestConnector, Shape, html_content
from magnet.errors import FetchFailed, SourceError
from magnet.outbound.http import origin_of

AT_ONCE = 100
MAX_PAGE_BYTES = 25 * 1024 * 1024
PATHS = {
    "site-pages": "/cms/v3/pages/site-pages",
    "landing-pages": "/cms/v3/pages/landing-pages",
    "blog-posts": "/cms/v3/blogs/posts",
    # In beta at HubSpot, which dates the addresses of such APIs.
    "knowledge-articles": "/cms/knowledge-base/2027-03-beta/articles",
}
# Where HubSpot asks visitors of a private page to sign in.
SIGN_IN_PATH = "/_hcms/mem/"


class HubSpotConfig(Shape):
    include_site_pages: bool = Field(default=True, title="Website pages")
    include_landing_pages: bool = Field(default=False, title="Landing pages")
    include_blog_posts: bool = Field(default=True, title="Blog posts")
    include_knowledge_articles: bool = Field(
        default=False,
        title="Articles of the knowledge base",
        description="By an API that is in beta at HubSpot. Without it, add the knowledge base as a website.",
    )
    languages: list[str] = Field(default=[], title="Languages", description="Such as en or de; empty means all.")
    api_address: str = Field(
        default="https://api.hubapi.com",
        title="Address of the API",
        description="Leave it as it is, unless you reach HubSpot through a gateway of your own.",
    )

    @field_validator("api_address")
    @classmethod
    def is_an_address(cls, value: str) -> str:
        return address_of_api(value)


class HubSpotSecrets(Shape):
    token: SecretStr = Field(
        default=SecretStr(""),
        title="Access token of a private app",
        description="With the scope “content”. It begins with pat-.",
    )


class HubSpotConnector(RestConnector):
    """Lists completely each time what is published, by the moment of its last change. The text of a page stands in
    its modules, so it is read as visitors see it, from its public address; a blog post comes from the API."""

    label: ClassVar[str] = "HubSpot"
    description: ClassVar[str] = "Published pages, blog posts and knowledge articles of HubSpot."
    Config: ClassVar[type[BaseModel]] = HubSpotConfig
    Secrets: ClassVar[type[BaseModel]] = HubSpotSecrets
    config: HubSpotConfig
    secrets: HubSpotSecrets

    def found(self) -> str:
        counts = [(kind.replace("-", " "), self.api.get(PATHS[kind], {"limit": 1})["total"]) for kind in self.kinds()]
        return f"HubSpot has {', '.join(f'{count:,} {kind}' for kind, count in counts)}, drafts among them."

    def documents(self, known: Mapping[str, str]) -> Iterator[ListingItem]:
        for kind in self.kinds():
            pages = self.api.cursor_pages(
                PATHS[kind], {"limit": AT_ONCE, "archived": False}, parameter="after", cursor_of=next_cursor
            )
            for page in pages:
                for item in page["results"]:
                    if self.is_wanted(item):
                        yield document_of(item, kind=kind, known=known)

    def content_of(self, document: RemoteDocument) -> Content:
        kind, _, item_id = document.remote_id.partition("/")
        if kind not in PATHS:
            raise FetchFailed(f"{document.remote_id} is no document of HubSpot. Sync again.")
        if kind == "blog-posts":
            return post_content(self.api.get(f"{PATHS[kind]}/{quoted(item_id)}"))
        # The public page needs no token, and gets none: it stands at another address than the API.
        page = self.outbound.get(document.url, max_bytes=MAX_PAGE_BYTES, may_follow=stays_public_from(document.url))
        if page.redirects_to:
            raise FetchFailed(f"{document.url} leads to {page.redirects_to}, so it is not open to visitors as it is.")
        return Content(page.body, media_type=page.headers.get("content-type", "text/html"))

    def kinds(self) -> list[str]:
        wanted = {
            "site-pages": self.config.include_site_pages,
            "landing-pages": self.config.include_landing_pages,
            "blog-posts": self.config.include_blog_posts,
            "knowledge-articles": self.config.include_knowledge_articles,
        }
        kinds = [kind for kind, is_wanted in wanted.items() if is_wanted]
        if not kinds:
            raise SourceError("Choose at least one of pages, blog posts and articles.")
        return kinds

    def is_wanted(self, item: dict[str, Any]) -> bool:
        language = str(item.get("language") or "")
        is_ours = not self.config.languages or not language or language in self.config.languages
        return is_ours and is_published(item)

    @cached_property
    def api(self) -> RestClient:
        token = needed(self.secrets.token, title="Access token of a private app")
        return RestClient(self.config.api_address, name="HubSpot", client=self.outbound, sign_in=bearer(token))


def is_published(item: dict[str, Any]) -> bool:
    if item.get("archivedInDashboard"):
        return False
    state = str(item.get("currentState") or item.get("state") or "")
    return bool(item.get("currentlyPublished")) or (state.startswith("PUBLISHED") and "SCHEDULED" not in state)


def stays_public_from(url: str) -> Callable[[str], bool]:
    return lambda target: origin_of(target) == origin_of(url) and SIGN_IN_PATH not in target


def next_cursor(page: dict[str, Any]) -> str:
    return str(((page.get("paging") or {}).get("next") or {}).get("after") or "")


def document_of(item: dict[str, Any], *, kind: str, known: Mapping[str, str]) -> RemoteDocument:
    remote_id, version = f"{kind}/{item['id']}", str(item.get("updated") or item.get("updatedAt") or "")
    has_text = kind == "blog-posts" and known.get(remote_id) != version
    return RemoteDocument(
        remote_id=remote_id,
        title=title_of(item),
        url=str(item.get("url") or item.get("absoluteUrl") or ""),
        media_type="text/html",
        version=version,
        metadata={"kind": kind, **({"language": item["language"]} if item.get("language") else {})},
        # The listing brings the text of posts along.
        content=post_content(item) if has_text else None,
    )


def title_of(item: dict[str, Any]) -> str:
    return str(item.get("htmlTitle") or item.get("title") or item.get("name") or "")


def post_content(item: dict[str, Any]) -> Content:
    return html_content(title_of(item), str(item.get("postBody") or ""))

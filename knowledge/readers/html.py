"""Web pages: the main content as Markdown, without navigation, footers, cookie notices and scripts."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import TYPE_CHECKING, ClassVar

from knowledge.readers.base import Extract, Reader
from knowledge.readers.decoding import believe_charset, clean, decode
from knowledge.readers.html_markdown import markdown_of
from knowledge.readers.refusal import unreadable
from magnet.errors import UnreadableDocument

if TYPE_CHECKING:
    from selectolax.lexbor import LexborHTMLParser, LexborNode

# What is never content, wherever it stands.
NOISE = (
    "script, style, noscript, template, iframe, object, embed, svg, canvas, audio, video, map, dialog, nav, "
    "button, input, select, textarea, "
    "[hidden], [aria-hidden=true], [role=navigation], [role=search], [role=menu], [role=menubar], [role=dialog], "
    "[role=alertdialog], [role=banner], [role=contentinfo], [role=complementary]"
)
# What frames the content of a page; inside an article, a header holds the article's own title.
FRAME = (
    "body > header, body > footer, body > aside, main aside, article aside, article footer, main > footer, body footer"
)
NOISY_NAME = re.compile(
    r"(?:^|[-_\s])(?:nav(?:bar|igation)?|menu|breadcrumbs?|sidebar|side-bar|cookies?|consent|footer|site-header|topbar|"
    r"toc|table-of-contents|pagination|pager|share|social|related|newsletter|skip-?link|headerlink|sr-only|"
    r"visually-hidden|screen-reader-text|advert(?:isement)?|edit-page|feedback)(?:$|[-_\s])",
    re.IGNORECASE,
)
CONTENT = ("main", "[role=main]", "article", "#main-content", "#content", ".content", "#main", ".markdown-body")
# A candidate for the main content that holds less than this share of the page's text is a teaser.
MIN_CONTENT_SHARE = 0.25
MAX_NOISE_SHARE = 0.5
CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w-]{2,40})", re.IGNORECASE)
# The parser's time grows with the square of the depth; no page that people wrote comes near this.
MAX_DEPTH = 3_000
DEEP_SENTENCE = "is nested too deep to be a web page. Save its text as a document of its own."
# Every tag but those that never are closed, or need not be.
TAG = re.compile(
    r"<(/?)(?!(?:area|base|br|col|embed|hr|img|input|link|meta|param|source|track|wbr|p|li|dt|dd|td|th|tr|tbody|thead|"
    r"tfoot|colgroup|option|optgroup|rt|rp|html|head|body)\b)[a-zA-Z]",
    re.IGNORECASE,
)


class HtmlReader(Reader):
    label: ClassVar[str] = "Web page"
    media_types: ClassVar[tuple[str, ...]] = ("text/html", "application/xhtml+xml")
    extensions: ClassVar[tuple[str, ...]] = (".html", ".htm", ".xhtml")
    is_isolated: ClassVar[bool] = True

    def read(self, body: bytes, *, filename: str = "") -> Extract:
        from selectolax.lexbor import LexborHTMLParser

        text = decode(as_declared(body), filename=filename)
        if depth_of(text) > MAX_DEPTH:
            raise nested_too_deep(filename)
        page = LexborHTMLParser(text)
        page.strip_tags(["script", "style"])
        content, noise = main_content(page), noise_of(page)
        try:
            markdown = markdown_of(content, without=noise) if content else ""
        except RecursionError as error:
            raise nested_too_deep(filename) from error
        title = heading_of(content, noise) or title_of(page)
        return Extract(text=clean(markdown, filename=filename), title=title, metadata=language_of(page))


def nested_too_deep(filename: str) -> UnreadableDocument:
    return unreadable(filename, DEEP_SENTENCE)


def depth_of(text: str) -> int:
    """Estimate how deep the elements are nested, before a parser has to find out."""
    depth = deepest = 0
    for slash in TAG.findall(text):
        depth = max(0, depth - 1) if slash else depth + 1
        deepest = max(deepest, depth)
    return deepest


def as_declared(body: bytes) -> bytes:
    """Believe the page about its character set, unless it is UTF-8 anyway."""
    declared = CHARSET.search(body[:4_000])
    return believe_charset(body, declared[1].decode("ascii")) if declared else body


def title_of(page: LexborHTMLParser) -> str:
    shared = page.css_first("meta[property='og:title']")
    if shared and (title := (shared.attributes.get("content") or "").strip()):
        return one_line(title)
    element = page.css_first("head title") or page.css_first("title")
    return one_line(element.text()) if element else ""


def heading_of(content: LexborNode | None, noise: Collection[int]) -> str:
    """Prefer the only first-level heading of the content: the title of the page often ends in the site's name."""
    headings = content.css("h1") if content else []
    return one_line(markdown_of(headings[0], without=noise)) if len(headings) == 1 else ""


def language_of(page: LexborHTMLParser) -> dict[str, str]:
    root = page.css_first("html")
    language = (root.attributes.get("lang") or "").strip() if root else ""
    return {"language": language} if language else {}


def main_content(page: LexborHTMLParser) -> LexborNode | None:
    """Take the first element that calls itself content and holds enough of the page, or else the whole body."""
    whole = text_length(page.body)
    for selector in CONTENT:
        candidates = page.css(selector)
        # Several articles are a list of equals, such as the posts of a blog.
        if len(candidates) == 1 and text_length(candidates[0]) > MIN_CONTENT_SHARE * whole:
            return candidates[0]
    return page.body


def noise_of(page: LexborHTMLParser) -> set[int]:
    """Name what is to be left out. It stays in the tree: taking it out would leave dangling nodes behind."""
    noise = {element.mem_id for element in page.css(f"{NOISE}, {FRAME}")}
    noise |= {element.mem_id for element in page.css("ul, ol") if is_link_list(element)}
    whole = text_length(page.body)
    for element in page.css("[class], [id]"):
        names = f"{element.attributes.get('class') or ''} {element.attributes.get('id') or ''}"
        if element.tag in {"html", "body", "main", "article", "h1"} or not NOISY_NAME.search(names):
            continue
        # A frame of the whole page may be called "has-sidebar": what holds most of the text is no noise.
        if text_length(element) < MAX_NOISE_SHARE * whole or element.css_first("main, article, h1") is None:
            noise.add(element.mem_id)
    return noise


def is_link_list(element: LexborNode) -> bool:
    """Say whether a list is nothing but short links: the navigation of pages that do not call it so."""
    links = element.css("a")
    if len(links) < 4:
        return False
    length = text_length(element)
    return length < 40 * len(links) and sum(map(text_length, links)) > 0.9 * length


def text_length(element: LexborNode | None) -> int:
    return len(element.text()) if element else 0


def one_line(text: str) -> str:
    return " ".join(text.split())[:300]

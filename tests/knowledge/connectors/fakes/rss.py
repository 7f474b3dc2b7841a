"""Feeds on the loopback, as of November 2026: RSS 2.0 by https://www.rssboard.org/rss-specification, with
content:encoded by https://www.rssboard.org/rss-profile; Atom by https://datatracker.ietf.org/doc/html/rfc4287."""

from __future__ import annotations

from xml.sax.saxutils import escape

from tests.fake_website import Call, Page
from tests.knowledge.connectors.fake_api import FakeApi

ATOM = """<?xml version="1.0" encoding="utf-8"?>
<feed xmlns="http://www.w3.org/2005/Atom" xml:base="/blog/">
  <title>Release notes</title><id>urn:uuid:60a76c80</id><updated>2026-11-02T18:30:02Z</updated>
  <entry>
    <title type="html">Version 2 &amp;amp; more</title><id>urn:uuid:1225c695</id>
    <link rel="enclosure" href="v2.zip"/><link href="v2.html"/>
    <updated>2026-11-02T18:30:02Z</updated><author><name>王小明</name></author><category term="release"/>
    <content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><h2>New</h2><p>Faster <b>search</b>.</p></div></content>
  </entry>
  <entry>
    <title>Version 1</title><id>urn:uuid:0000</id><link href="https://example.com/v1"/><updated>nonsense</updated>
    <summary>Less &lt; more.</summary>
  </entry>
</feed>"""  # noqa: E501 - as feeds are written


class FakeFeed(FakeApi):
    """`entries` by guid: title and text. Whoever has the feed already gets 304."""

    def __init__(self) -> None:
        super().__init__()
        self.entries: dict[str, tuple[str, str]] = {}

    def respond(self, call: Call) -> Page:
        if call.path == "/feed.xml":
            return self.feed(call)
        return self.routes.get(call.path, Page("Not here", status=404))  # type: ignore[return-value]  # only pages

    def feed(self, call: Call) -> Page:
        etag = f'"{abs(hash(tuple(self.entries.items())))}"'
        if call.headers.get("If-None-Match") == etag:
            return Page(status=304, headers={"ETag": etag})
        items = "".join(self.item(guid, *said) for guid, said in self.entries.items())
        body = (
            '<?xml version="1.0"?><rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/" '
            'xmlns:dc="http://purl.org/dc/elements/1.1/"><channel><title>Company news</title><link>/</link>'
            f"<description>News</description>{items}</channel></rss>"
        )
        return Page(body, media_type="application/rss+xml", headers={"ETag": etag})

    def item(self, guid: str, title: str, text: str) -> str:
        return (
            f'<item><title>{escape(title)}</title><link>{self.url}/{guid}</link><guid isPermaLink="false">{guid}</guid>'
            f"<dc:creator>Ana</dc:creator><pubDate>Mon, 02 Nov 2026 09:00:00 GMT</pubDate><category>News</category>"
            f"<description>In short.</description><content:encoded><![CDATA[<p>{text}</p>]]></content:encoded></item>"
        )

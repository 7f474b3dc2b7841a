"""Web pages: what a person came to read stays, everything around it goes."""

import pytest

from knowledge.readers import read
from magnet.errors import UnreadableDocument

PAGE = """<!doctype html><html lang="en"><head><title>Reset your password | Acme Help</title><style>p{}</style></head>
<body class="has-sidebar"><header><a href="/">Acme</a></header><nav><ul><li>Products</ul></nav>
<div class="cookie-banner">We use cookies</div>
<main><h1>Reset your password<a class="headerlink" href="#x">#</a></h1>
<p>You can <b>reset</b> your <code>PIN</code>
in <a href="/s">the settings</a>.<br>It takes a minute.</p>
<h2>Steps</h2><ol><li>Open <i>Settings</i><ul><li>Security</li></ul></li><li>Press Reset</li></ol>
<table><tr><th>Plan<th>Limit<tr><td>Free<td>3 | day</table>
<pre><code class="language-bash">reset \\
  --now</code></pre>
<blockquote>Ask <span hidden>secretly</span> the desk</blockquote></main>
<aside>Related: billing</aside><footer>© Acme</footer><script>track()</script></body></html>"""


def test_the_main_content_becomes_markdown():
    extract = read(PAGE.encode(), filename="reset.html")

    assert extract.title == "Reset your password"
    assert extract.metadata == {"language": "en"}
    assert extract.text.split("\n\n") == [
        "# Reset your password",
        "You can reset your `PIN` in the settings.\nIt takes a minute.",
        "## Steps",
        "1. Open Settings\n   - Security\n2. Press Reset",
        "| Plan | Limit |\n| --- | --- |\n| Free | 3 \\| day |",
        "```bash\nreset \\\n  --now\n```",
        "> Ask the desk",
    ]


def test_a_page_without_a_main_element_loses_its_lists_of_links():
    links = "".join(f'<li><a href="/{n}">Topic {n}</a>' for n in range(9))
    extract = read(
        f"<title>Fees</title><ul>{links}</ul><div>A card costs <b>5 €</b> a year.</div>".encode(), filename="f.html"
    )

    assert extract.title == "Fees"
    assert extract.text == "A card costs 5 € a year."


def test_a_blog_with_several_articles_keeps_them_all():
    extract = read(b"<html><body><article><h2>One</h2><p>first</article><article><h2>Two</h2><p>second</article>")

    assert extract.text == "## One\n\nfirst\n\n## Two\n\nsecond"


def test_a_frame_that_is_called_like_noise_but_holds_the_page_is_read():
    extract = read(
        b'<html><body><div class="sidebar-layout sidebar"><h1>Fees</h1><p>All fees are listed here.</p></div>'
    )

    assert extract.text == "# Fees\n\nAll fees are listed here."


def test_a_layout_table_is_read_cell_by_cell():
    extract = read(b"<html><table><tr><td><h2>Fees</h2><p>Five.</td><td><p>Six.</td></tr></table>")

    assert extract.text == "## Fees\n\nFive.\n\nSix."


def test_the_character_set_of_the_page_is_believed():
    body = '<html><head><meta charset="windows-1251"></head><body><p>Заказ</p>'.encode("cp1251")

    assert read(body).text == "Заказ"


@pytest.mark.parametrize("bait", ["<div>" * 100_000, "<x-y>" * 2_000, "<ul><li>" * 2_000])
def test_a_page_nested_without_end_is_refused(bait):
    with pytest.raises(UnreadableDocument, match="nested too deep"):
        read(f"<html>{bait}word".encode(), filename="deep.html")

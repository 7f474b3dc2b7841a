"""Pages as the makers of documentation sites write them, as of November 2026 (shortened):
https://squidfunk.github.io/mkdocs-material/ (MkDocs), https://docusaurus.io/docs (Docusaurus),
https://docs.readthedocs.com/platform/stable/ (Sphinx with the theme of Read the Docs)."""

from __future__ import annotations

from collections.abc import Sequence


def links(menu: Sequence[str]) -> str:
    return "".join(f'<li><a href="{link}">{link}</a></li>' for link in menu)


def mkdocs(title: str, text: str, menu: Sequence[str], *, footer: str = "") -> str:
    return (
        f"<html><head><title>{title} - Handbook</title></head><body><header>Search</header>"
        f'<nav class="md-nav md-nav--primary"><ul>{links(menu)}</ul></nav><main class="md-main">'
        f'<article class="md-content__inner md-typeset"><a class="md-content__button" href="/edit">Edit</a>'
        f'<h1>{title}<a class="headerlink" href="#x">¶</a></h1><p>{text}</p><a href="/elsewhere">aside</a></article>'
        f"</main><footer>{footer}</footer></body></html>"
    )


def docusaurus(title: str, text: str, menu: Sequence[str], *, crumbs: Sequence[str]) -> str:
    path = "".join(f'<li class="breadcrumbs__item"><span>{crumb}</span></li>' for crumb in [*crumbs, title])
    return (
        f"<html><head><title>{title} | Handbook</title></head><body><aside><ul class='menu__list'>{links(menu)}</ul>"
        f'</aside><main><article><nav class="theme-doc-breadcrumbs"><ul>{path}</ul></nav>'
        f'<div class="theme-doc-markdown markdown"><header><h1>{title}</h1></header><p>{text}</p></div>'
        f'<footer class="theme-doc-footer">Edit this page</footer></article></main></body></html>'
    )


def read_the_docs(title: str, text: str, menu: Sequence[str], *, crumbs: Sequence[str]) -> str:
    path = "".join(f"<li><a href='#'>{crumb}</a></li>" for crumb in crumbs)
    return (
        f"<html><head><title>{title} — Handbook</title></head><body>"
        f"<nav class='wy-nav-side'><ul>{links(menu)}</ul></nav>"
        f"<section><div role='navigation'><ul class='wy-breadcrumbs'><li>»</li>{path}<li class='active'>{title}</li>"
        f"<li class='wy-breadcrumbs-aside'>View page source</li></ul></div><div role='main' class='document'>"
        f"<h1>{title}\uf0c1</h1><p>{text}</p></div></section></body></html>"
    )

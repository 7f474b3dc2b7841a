"""A walk through the menu after all other tests: each page opens, and none is wider than its window."""

from __future__ import annotations

import pytest

from tests.browser.pictures import picture

pytestmark = pytest.mark.browser

# The pages that the handbook shows, by their addresses below /admin/.
SHOWN = {
    "": "home",
    "tools_app/ragtool/": "rag-tools",
    "knowledge/knowledgesource/": "sources",
    "knowledge/chunk/": "chunks",
    "magnet/aimodel/": "models",
    "magnet/trace/": "traces",
    "usage/": "usage",
    "magnet/user/": "people",
    "magnet/apikey/": "api-keys",
}
FORMS = {
    "magnet/provider/add/?kind=openai": "provider",
    "magnet/webhook/add/": "webhook",
}


def test_each_page_of_the_menu_opens(page):
    page.goto("/admin/")
    links = page.locator("nav a[href^='/admin/'], #nav-sidebar a[href^='/admin/']")
    addresses = sorted(set(links.evaluate_all("links => links.map(link => link.getAttribute('href'))")))
    assert len(addresses) > 15
    for address in addresses:
        answer = page.goto(address)
        assert answer.status == 200, address
        assert page.evaluate("document.documentElement.scrollWidth") <= 1280, address
        if name := SHOWN.get(address.removeprefix("/admin/")):
            picture(page, name)
    for address, name in FORMS.items():
        assert page.goto(f"/admin/{address}").status == 200, address
        picture(page, name)

"""The path above a page, in the words of the menu."""

from __future__ import annotations

from typing import Any

from django import template

register = template.Library()


@register.filter
def as_in_the_menu(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    # Here, because unfold loads all template libraries while the admin's own modules are still being imported.
    from magnet.admin.site import in_menu_words

    return in_menu_words(parts)

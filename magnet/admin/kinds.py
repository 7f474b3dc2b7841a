"""Things of several kinds: the kind is chosen first, from cards, and fixed afterwards; then comes its form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from magnet.admin.base import MagnetAdmin


@dataclass(frozen=True)
class Choice:
    """A kind as a card."""

    name: str
    label: str
    text: str
    icon: str


class KindFirstAdmin(MagnetAdmin):
    # The column that holds the kind; also the parameter of the second step's address.
    kind_field: ClassVar[str] = "kind"
    question: ClassVar[Any] = ""
    # Names the kind above the form that adds one.
    change_form_before_template = "magnet/kind_before.html"

    def choices(self) -> list[Choice]:
        return []

    def kind_of(self, request: HttpRequest, obj: Any = None) -> str:
        return str(getattr(obj, self.kind_field) if obj is not None else request.GET.get(self.kind_field, ""))

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponseBase:
        choices = self.choices()
        chosen = next((choice for choice in choices if choice.name == self.kind_of(request)), None)
        if chosen is not None:
            title = _("Add %(name)s: %(kind)s") % {"name": self.opts.verbose_name, "kind": chosen.label}
            response: HttpResponseBase = super().add_view(request, form_url, {"title": title, **(extra_context or {})})
            return response
        if not self.has_add_permission(request):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Add %(name)s") % {"name": self.opts.verbose_name},
            "question": self.question,
            "parameter": self.kind_field,
            "choices": choices,
        }
        return TemplateResponse(request, "magnet/choose_kind.html", context)

"""What the pages of the admin share: a place in the menu, tabs, pages of one object, the audit, friendly refusals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, ClassVar

from django.contrib import messages
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet, URLField
from django.http import HttpRequest, HttpResponseBase, HttpResponseNotAllowed, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.admin import ModelAdmin
from unfold.views import ChangeList
from unfold.widgets import INPUT_CLASSES

from magnet import transfer
from magnet.admin import deletion, read_only
from magnet.admin.menu import MenuEntry
from magnet.admin.moving import export_one, export_selected
from magnet.configuration import free_slug
from magnet.errors import MagnetError
from magnet.models import AuditEntry

View = Callable[[HttpRequest, Any], HttpResponseBase]


@dataclass(frozen=True)
class Tab:
    """A tab above an object; `route` is empty for its form."""

    route: str
    label: Any
    permission: str = "view"


@dataclass(frozen=True)
class ObjectPage:
    """A page, an endpoint or a button of one object, at `<object>/<route>/`."""

    route: str
    view: View
    permission: str = "view"
    methods: tuple[str, ...] = ("GET",)


class MagnetAdmin(ModelAdmin):
    menu: ClassVar[Sequence[MenuEntry]] = ()
    tabs: ClassVar[Sequence[Tab]] = ()
    # What an empty list says: what these things are for, and what to do next.
    empty_text: ClassVar[Any] = ""
    empty_icon: ClassVar[str] = "inbox"
    # Columns that the form sets from fields of other names.
    made_by_form: ClassVar[Sequence[str]] = ()
    # What the button says that adds one.
    save_label: ClassVar[Any] = gettext_lazy("Add")
    list_per_page = 50
    list_filter_submit = False
    compressed_fields = False
    warn_unsaved_form = True
    delete_confirmation_template = "magnet/delete.html"

    # -- Lists -------------------------------------------------------------------------------------------------

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Deleting is done one by one, on a page that says what goes with it."""
        actions: dict[str, Any] = super().get_actions(request)
        actions.pop("delete_selected", None)
        if transfer.kind_of_model(self.model) is not None:
            actions["export"] = (export_selected, "export", gettext_lazy("Export with what they depend on"))
        return actions

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return ChangeListToFirstTab

    # -- Pages of one object -----------------------------------------------------------------------------------

    def object_pages(self) -> Sequence[ObjectPage]:
        return ()

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(
                f"<path:object_id>/{page.route}/",
                self.admin_site.admin_view(self._object_view(page)),
                name=self.url_name(page.route),
            )
            for page in (*self.object_pages(), *self.moving_pages())
        ]
        return [*own, *super().get_urls()]

    def url_name(self, route: str = "") -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_{route.replace('-', '_') or 'change'}"

    def url_of(self, obj: Model, route: str = "") -> str:
        return reverse(f"admin:{self.url_name(route)}", args=[obj.pk])

    def list_url(self) -> str:
        return reverse(f"admin:{self.url_name('changelist')}")

    def _object_view(self, page: ObjectPage) -> Callable[..., HttpResponseBase]:
        @wraps(page.view)
        def view(request: HttpRequest, object_id: str) -> HttpResponseBase:
            if request.method not in page.methods:
                return HttpResponseNotAllowed(page.methods)
            obj = self.get_object(request, object_id)
            if obj is None:
                return self.not_there(request, object_id)
            if not self.allows(request, page.permission, obj):
                raise PermissionDenied
            try:
                return page.view(request, obj)
            except MagnetError as error:
                return self.refused(request, obj, error)

        return view

    def allows(self, request: HttpRequest, permission: str, obj: Model | None = None) -> bool:
        if permission == "add":
            return self.has_add_permission(request)
        return bool(getattr(self, f"has_{permission}_permission")(request, obj))

    def not_there(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        if wants_json(request):
            return JsonResponse({"detail": _("This is gone. Reload the page.")}, status=404)
        response: HttpResponseBase = self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        return response

    def refused(self, request: HttpRequest, obj: Model, error: MagnetError) -> HttpResponseBase:
        """Tell a refusal where the person stands: as JSON to a script, else as a message on the object's page."""
        if wants_json(request):
            return JsonResponse({"detail": error.detail, "code": error.code, **error.extra}, status=error.status)
        messages.error(request, error.detail)
        return HttpResponseRedirect(self.url_of(obj, self.tabs[0].route if self.tabs else ""))

    def page(
        self, request: HttpRequest, obj: Model, template: str, *, tab: str = "", **context: Any
    ) -> TemplateResponse:
        request.current_app = self.admin_site.name
        shared = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": obj,
            "title": str(obj),
            "tab_list": self.tab_list(request, obj, active=tab),
            "can_change": self.has_change_permission(request, obj),
        }
        return TemplateResponse(request, template, {**shared, **context})

    def tab_list(self, request: HttpRequest, obj: Model, *, active: str) -> list[dict[str, Any]]:
        """The tabs in the shape that unfold's template reads."""
        items = [
            {
                "title": tab.label,
                "link": self.url_of(obj, tab.route),
                "active": tab.route == active,
                "has_permission": self.allows(request, tab.permission, obj),
            }
            for tab in self.all_tabs(request, obj)
        ]
        return [{"models": [{"name": str(self.opts), "detail": True}], "items": items}] if items else []

    def all_tabs(self, request: HttpRequest, obj: Model) -> Sequence[Tab]:
        """With “Where used” for all that can be moved, beside the form of those that have no tabs of their own."""
        shown = self.shown_tabs(request, obj)
        return (*(shown or (SETTINGS_TAB,)), USED_TAB) if transfer.kind_of_model(self.model) else shown

    def shown_tabs(self, request: HttpRequest, obj: Model) -> Sequence[Tab]:
        return self.tabs

    # -- Where it is used, and how it is moved -------------------------------------------------------------------

    def moving_pages(self) -> Sequence[ObjectPage]:
        if transfer.kind_of_model(self.model) is None:
            return ()
        return ObjectPage("used", self.used_page), ObjectPage("export", export_one)

    def used_page(self, request: HttpRequest, obj: Any) -> HttpResponseBase:
        export_url = self.url_of(obj, "export")
        return self.page(
            request, obj, "magnet/used.html", tab="used", export_url=export_url, uses=deletion.uses_of(obj),
            parts=deletion.parts_of(obj),
        )  # fmt: skip

    # -- The form ----------------------------------------------------------------------------------------------

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        context: dict[str, Any] = {"show_save_and_continue": False, "show_save_and_add_another": False}
        context["save_label"] = self.save_label
        has_tabs = bool(self.tabs) or transfer.kind_of_model(self.model) is not None
        obj = self.get_object(request, object_id) if object_id and has_tabs else None
        if obj is not None:
            context["tab_list"] = self.tab_list(request, obj, active="")
        return super().changeform_view(request, object_id, form_url, {**context, **(extra_context or {})})

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        if kwargs.get("change") and not self.has_change_permission(request, kwargs.get("obj")):
            read_only.put_in_words(context["adminform"], conditions=getattr(self, "conditional_fields", None) or {})
        return super().render_change_form(request, context, *args, **kwargs)

    def save_form(self, request: HttpRequest, form: Any, change: bool) -> Any:
        """The row as the form has it; a slug that was left empty is made from the name."""
        obj = super().save_form(request, form, change)
        if not change and getattr(obj, "slug", None) == "":
            obj.slug = free_slug(type(obj), None, name=obj.name)
        return obj

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Of a change only what stands on the form: what moved meanwhile, such as what is live, is not set back."""
        if not change:
            super().save_model(request, obj, form, change)
            return
        columns = [
            field
            for field in obj._meta.concrete_fields
            if (field.editable and field.name in form.fields)
            or field.name in self.made_by_form
            or getattr(field, "auto_now", False)
        ]
        obj.save(update_fields=[field.name for field in columns])

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> Any:
        messages.success(request, _("“%(name)s” is added.") % {"name": obj})
        return self.response_post_save_add(request, obj)

    def response_change(self, request: HttpRequest, obj: Any) -> Any:
        messages.success(request, _("“%(name)s” is saved.") % {"name": obj})
        return self.response_post_save_change(request, obj)

    def response_post_save_add(self, request: HttpRequest, obj: Any) -> HttpResponseRedirect:
        return HttpResponseRedirect(self.url_of(obj, self.tabs[0].route if self.tabs else ""))

    def response_post_save_change(self, request: HttpRequest, obj: Any) -> HttpResponseRedirect:
        return HttpResponseRedirect(self.url_of(obj))

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if isinstance(db_field, URLField):
            kwargs.setdefault("assume_scheme", "https")
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if isinstance(getattr(field, "widget", None), RelatedFieldWidgetWrapper):
            # What a choice refers to is edited on its own page, with all that belongs to it.
            field.widget = field.widget.widget
        if db_field.name == "slug":
            # A browser fills it in while the name is typed; a slow one has not done so yet.
            field.required = False
        if db_field.name == "tags":
            field.widget.attrs["class"] = " ".join(INPUT_CLASSES)
            field.help_text = gettext_lazy("Words by comma, to find it again in lists.")
        return field

    # -- Deleting ----------------------------------------------------------------------------------------------

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponseBase:
        """Say what goes with it and what still uses it; delete on POST when nothing does."""
        obj = self.get_object(request, object_id)
        if obj is None:
            return self.not_there(request, object_id)
        if not self.has_delete_permission(request, obj):
            raise PermissionDenied
        if kept := self.kept_because(obj):
            messages.error(request, kept)
            return HttpResponseRedirect(self.list_url())
        uses = deletion.uses_of(obj)
        if request.method == "POST" and not uses:
            return self.deleted(request, obj)
        return self.page(
            request, obj, "magnet/delete.html", uses=uses, goes_too=self.goes_too(obj), back=self.url_of(obj),
            parts=deletion.parts_of(obj),
        )  # fmt: skip

    def kept_because(self, obj: Any) -> str:
        """Why `obj` is never deleted; empty where it may be."""
        return ""

    def goes_too(self, obj: Any) -> list[str]:
        """One sentence for each thing that is deleted together with `obj`."""
        return []

    def deleted(self, request: HttpRequest, obj: Any) -> HttpResponseBase:
        label = str(obj)
        deletion.delete(obj, by=self.delete_one)
        messages.success(request, _("“%(name)s” is deleted.") % {"name": label})
        return HttpResponseRedirect(self.list_url())

    def delete_one(self, obj: Any) -> None:
        AuditEntry.record("deleted", obj)
        obj.delete()

    # -- The record of who did what ----------------------------------------------------------------------------

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> None:
        AuditEntry.record("created", obj)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> None:
        AuditEntry.record("changed", obj, fields=changed_fields(message))

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for obj in queryset:
            AuditEntry.record("deleted", obj)

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponseBase:
        query = f"object_type__exact={self.opts.label_lower}&q={object_id}"
        return HttpResponseRedirect(f"{reverse('admin:magnet_auditentry_changelist')}?{query}")


class ChangeListToFirstTab(ChangeList):
    """A list that is called as what it lists, and whose rows lead to the first tab of what they name."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.title = capfirst(str(self.opts.verbose_name_plural))

    def url_for_result(self, result: Any) -> str:
        page: MagnetAdmin = self.model_admin
        return page.url_of(result, page.tabs[0].route if page.tabs else "")


class ReadOnlyAdmin(MagnetAdmin):
    """For what is written by the product and only looked at by people."""

    warn_unsaved_form = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def wants_json(request: HttpRequest) -> bool:
    return "application/json" in request.headers.get("Accept", "")


def changed_fields(message: Any) -> list[str]:
    """The labels of the changed fields, from what Django's construct_change_message made."""
    parts = message if isinstance(message, list) else []
    return [str(field) for part in parts for field in part.get("changed", {}).get("fields", [])]


SETTINGS_TAB = Tab("", gettext_lazy("Settings"), permission="view")
USED_TAB = Tab("used", gettext_lazy("Where used"))

"""Draft, compare, publish, undo in the admin: saving changes the draft, only publishing what callers get."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.contrib.admin.utils import flatten
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.decorators import display

from magnet.admin import deletion
from magnet.admin.base import SETTINGS_TAB, MagnetAdmin, ObjectPage, Tab
from magnet.admin.differences import differences, setting_in_words
from magnet.admin.version_form import VersionedForm
from magnet.errors import MagnetError
from magnet.models import AuditEntry, Publication
from magnet.models.versions import Version
from magnet.templatetags.magnet_admin import ago_titled, badge_html

MAX_VERSIONS = 100


class VersionedAdmin(MagnetAdmin):
    """The admin of an identity with versions. A subclass names the groups of settings on its form."""

    form = VersionedForm
    change_form_template = "magnet/versioned_form.html"
    tabs: ClassVar[Sequence[Tab]] = (
        SETTINGS_TAB,
        Tab("publish", gettext_lazy("Publish"), permission="view"),
        Tab("versions", gettext_lazy("Versions")),
    )
    list_display: ClassVar[tuple[str, ...]] = ("name", "slug", "what_is_live", "what_is_draft", "changed")
    search_fields: ClassVar[tuple[str, ...]] = ("name", "slug", "description")
    list_filter: ClassVar[tuple[str, ...]] = ("tags",)
    list_select_related = ("live", "draft")
    identity_fields: ClassVar[tuple[str, ...]] = ("name", "description", "tags")
    # What is asked for when one is added; everything else starts with its default.
    asked_first: ClassVar[tuple[str, ...]] = ()
    # A tuple among the names stands side by side.
    setting_groups: ClassVar[Sequence[tuple[Any, tuple[Any, ...]]]] = ()
    # The titles of groups that are closed until somebody opens them, or something in them was set.
    closed_groups: ClassVar[Sequence[Any]] = ()

    # -- The list ----------------------------------------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("live", "draft")

    @display(description=gettext_lazy("live"))
    def what_is_live(self, identity: Any) -> SafeString:
        if identity.live is None:
            return badge_html("excluded", _("nothing"))
        return badge_html("live", _("version %(n)d") % {"n": identity.live.number})

    @display(description=gettext_lazy("draft"))
    def what_is_draft(self, identity: Any) -> SafeString | str:
        if identity.draft is None:
            return "–"
        return badge_html("pending", _("version %(n)d") % {"n": identity.draft.number})

    @display(description=gettext_lazy("changed"), ordering="updated_at")
    def changed(self, identity: Any) -> SafeString:
        return ago_titled(identity.updated_at)

    # -- The form ----------------------------------------------------------------------------------------------

    def has_publish_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm(f"{self.opts.app_label}.publish_{self.opts.model_name}"))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[str]:
        return ("slug",) if obj else ()

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> dict[str, Sequence[str]]:
        return {} if obj else {"slug": ("name",)}

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return [(None, {"fields": ("name", "slug", "description", *self.asked_first)})]
        groups = [
            (title, {"fields": names, "classes": ["collapse"] if title in self.closed_groups else []})
            for title, names in self.setting_groups
        ]
        about = {"fields": (*self.identity_fields, "slug", "seen_revision"), "classes": ["collapse"]}
        return [*groups, (_("Name and description (not versioned)"), about)]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        names = self.asked_first if obj is None else self.setting_names()
        fields: dict[str, Any] = {name: self.setting_field(request, name) for name in names}
        if obj is None:
            fields["seen_revision"] = None
        kwargs["form"] = type("FormOfVersion", (self.form,), {**fields, "setting_names": names})
        return super().get_form(request, obj, change, **kwargs)

    def setting_names(self) -> tuple[str, ...]:
        return tuple(flatten([name for _title, names in self.setting_groups for name in names]))

    def setting_field(self, request: HttpRequest, name: str) -> forms.Field:
        column = self.model.version_model()._meta.get_field(name)
        field: forms.Field = self.formfield_for_dbfield(column, request)
        if isinstance(field, forms.ModelChoiceField):
            field.empty_label = gettext_lazy("The default")  # type: ignore[assignment]  # said when it is shown
            # The column speaks of an empty value, and marks slugs for those who read the API; the form has a choice.
            field.help_text = str(field.help_text).replace("Empty:", _("The default:")).replace("`", "")
        return field

    def changeform_view(self, request: HttpRequest, object_id: Any = None, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().changeform_view(request, object_id, *args, **kwargs)
        except MagnetError as error:
            # Only what another person did between our check and our save; the form has said all else.
            messages.error(request, error.detail)
            return HttpResponseRedirect(request.get_full_path())

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        identity = kwargs.get("obj")
        context |= {
            "identity": identity,
            "can_publish": self.has_publish_permission(request, identity),
            "telling_fields": " ".join(context["adminform"].form.telling_fields()),
        }
        return super().render_change_form(request, context, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if change:
            super().save_model(request, obj, form, change)
            if form.changed_settings:
                obj.edit(form.changed_settings, revision=form.cleaned_data.get("seen_revision"))
            return
        created = type(obj).objects.create_live(
            settings=form.settings, name=obj.name, slug=obj.slug, description=obj.description
        )
        # The form goes on with the object it made itself: it saves the tags, and the response speaks of it.
        obj.__dict__.update(created.__dict__)

    def response_change(self, request: HttpRequest, obj: Any) -> HttpResponseRedirect:
        """In the words of drafts: that something “was changed successfully” would say that callers notice."""
        if obj.draft is None:
            text = _("Saved. Callers get version %(live)d, as before.") if obj.live else _("Saved.")
        elif obj.live is None:
            text = _("Draft saved; nothing is live yet.")
        else:
            text = _("Draft saved; callers still get version %(live)d.")
        messages.success(request, text % {"live": obj.live.number if obj.live else 0})
        return self.response_post_save_change(request, obj)

    def response_post_save_change(self, request: HttpRequest, obj: Any) -> HttpResponseRedirect:
        return HttpResponseRedirect(self.url_of(obj, "publish" if "_review" in request.POST else ""))

    # -- Publish -----------------------------------------------------------------------------------------------

    def object_pages(self) -> Sequence[ObjectPage]:
        return (
            ObjectPage("publish", self.publish_page),
            ObjectPage("publish-now", self.publish_now, "publish", ("POST",)),
            ObjectPage("undo", self.undo, "publish", ("POST",)),
            ObjectPage("versions", self.versions_page),
            ObjectPage("compare", self.compare_page),
            ObjectPage("copy", self.copy, "change", ("POST",)),
        )

    def publish_page(self, request: HttpRequest, identity: Any) -> HttpResponseBase:
        draft = identity.draft
        return self.page(
            request, identity, "magnet/publish.html", tab="publish", identity=identity,
            differences=self.differences(identity.live, draft) if draft else [],
            can_publish=self.has_publish_permission(request, identity),
            affected=deletion.uses_of(identity), last=last_publication(identity),
        )  # fmt: skip

    def publish_now(self, request: HttpRequest, identity: Any) -> HttpResponseBase:
        publication = identity.publish(number=number_in(request, "number"), note=request.POST.get("note", ""))
        messages.success(request, self.published_in_words(identity, publication))
        return HttpResponseRedirect(self.url_of(identity, "publish"))

    def published_in_words(self, identity: Any, publication: Publication) -> str:
        return _("Version %(n)d of “%(name)s” is live: callers get it from now on.") % {
            "n": publication.to_version,
            "name": identity.name,
        }

    def undo(self, request: HttpRequest, identity: Any) -> HttpResponseBase:
        publication = identity.undo()
        messages.success(request, _("Undone: version %(n)d is live again.") % {"n": publication.from_version})
        return HttpResponseRedirect(self.url_of(identity, "publish"))

    # -- Versions ----------------------------------------------------------------------------------------------

    def versions_page(self, request: HttpRequest, identity: Any) -> HttpResponseBase:
        return self.page(
            request, identity, "magnet/versions.html", tab="versions", identity=identity,
            versions=identity.versions.all()[:MAX_VERSIONS], publications=publications_of(identity)[:MAX_VERSIONS],
            can_publish=self.has_publish_permission(request, identity),
        )  # fmt: skip

    def compare_page(self, request: HttpRequest, identity: Any) -> HttpResponseBase:
        """`?to=5` shows a version, `?from=3&to=5` what differs."""
        new = identity.version(number_in(request, "to"))
        first = number_in(request, "from")
        old = identity.version(first) if first is not None else None
        return self.page(
            request, identity, "magnet/compare.html", tab="versions", identity=identity, old=old, new=new,
            differences=self.differences(old, new), versions=identity.versions.all()[:MAX_VERSIONS],
        )  # fmt: skip

    @transaction.atomic
    def copy(self, request: HttpRequest, identity: Any) -> HttpResponseBase:
        version = identity.version(number_in(request, "number"))
        draft = identity.start_draft(copy_of=version, note=_("Copy of version %(n)d") % {"n": version.number})
        AuditEntry.record("started a draft of", identity, copy_of=version.number, version=draft.number)
        messages.success(request, _("Version %(n)d is the draft now.") % {"n": draft.number})
        return HttpResponseRedirect(self.url_of(identity))

    def differences(self, old: Version | None, new: Version) -> list[Any]:
        return differences(old, new, names=list(self.setting_names()), in_words=self.in_words)

    def in_words(self, version: Any, name: str) -> str:
        return setting_in_words(version, name)

    # -- Deleting ------------------------------------------------------------------------------------------------

    def goes_too(self, obj: Any) -> list[str]:
        n = obj.versions.count()
        return [
            ngettext("Its only version goes with it.", "All its %(n)d versions go with it.", n) % {"n": n},
            self.afterwards(obj),
        ]

    def afterwards(self, obj: Any) -> str:
        """What changes for those who used it."""
        return _("Who calls it gets an error.")


def publications_of(identity: Any) -> QuerySet[Publication]:
    return Publication.objects.filter(object_type=identity._meta.label_lower, object_id=str(identity.pk))


def last_publication(identity: Any) -> Publication | None:
    """The one that “Undo” takes back; the first publication has nothing before it."""
    return publications_of(identity).filter(undone_at=None).exclude(from_version=None).first()


def number_in(request: HttpRequest, name: str) -> int | None:
    value = (request.POST if request.method == "POST" else request.GET).get(name, "")
    return int(value) if value.isdecimal() and len(value) < 10 else None

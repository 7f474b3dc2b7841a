"""What rows of several tables share."""

from __future__ import annotations

from django.core.validators import RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _
from taggit.managers import TaggableManager

slug_is_kebab_case = RegexValidator(
    r"^[a-z0-9]+(?:-[a-z0-9]+)*$", _("Use lower-case letters, digits and single hyphens.")
)


class Timestamped(models.Model):
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("last changed"), auto_now=True)

    class Meta:
        abstract = True


class Named(Timestamped):
    """What staff name: the slug is its public, immutable name in URLs and exports."""

    name = models.CharField(_("name"), max_length=200)
    slug = models.CharField(
        _("slug"),
        max_length=100,
        unique=True,
        validators=[slug_is_kebab_case],
        help_text=_("The name in URLs and in the API. It cannot be changed later."),
    )
    description = models.TextField(_("description"), blank=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.name


class Tagged(models.Model):
    tags = TaggableManager(verbose_name=_("tags"), blank=True)

    class Meta:
        abstract = True

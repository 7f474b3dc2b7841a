"""A Config becomes a form that a person can fill in, and its complaints come back to the field."""

from enum import Enum
from pathlib import Path
from typing import Literal

import pytest
from django import forms
from pydantic import BaseModel, Field, SecretStr, field_validator

from magnet.admin.config_forms import LinesField, SecretField, Section, config_from, form_fields, rows


class Depth(Enum):
    SHALLOW = "shallow"
    DEEP = "deep"


class Config(BaseModel):
    address: str = Field(title="Address", description="Where it begins.", min_length=3)
    pages: int = Field(10, ge=1, le=100, title="Most pages")
    pause: float = Field(0.5, title="Pause")
    is_polite: bool = Field(True, title="Polite")
    mode: Literal["links", "sitemap"] = "links"
    depth: Depth = Depth.SHALLOW
    paths: list[str] = Field(default=["/"], title="Paths")
    folder: Path = Path("/srv")
    limit: int | None = None

    @field_validator("address")
    @classmethod
    def is_an_address(cls, value: str) -> str:
        if not value.startswith("http"):
            raise ValueError("An address begins with http.")
        return value


class Secrets(BaseModel):
    password: SecretStr = Field(SecretStr(""), title="Password")


SECTION = Section("config", Config)
SECRET_SECTION = Section("secrets", Secrets)


def form_of(section, stored, data=None):
    return type("Form", (forms.Form,), form_fields(section, stored=stored))(data)


FILLED = {
    "config__address": "https://example.com",
    "config__pages": "7",
    "config__pause": "1.5",
    "config__mode": "sitemap",
    "config__depth": "deep",
    "config__paths": "/help\n\n  /faq  ",
    "config__folder": "/data",
    "config__limit": "",
}


def test_each_type_becomes_the_field_that_fits_it():
    fields = form_of(SECTION, {}).fields

    assert isinstance(fields["config__pages"], forms.IntegerField)
    assert (fields["config__pages"].min_value, fields["config__pages"].max_value) == (1, 100)
    assert isinstance(fields["config__pause"], forms.FloatField)
    assert isinstance(fields["config__is_polite"], forms.BooleanField)
    assert [value for value, _ in fields["config__mode"].choices] == ["links", "sitemap"]
    assert [value for value, _ in fields["config__depth"].choices] == ["shallow", "deep"]
    assert isinstance(fields["config__paths"], LinesField)
    assert fields["config__address"].label == "Address"
    assert fields["config__address"].help_text == "Where it begins."
    assert fields["config__address"].required
    assert not fields["config__limit"].required
    assert fields["config__pages"].initial == 10


def test_what_was_filled_in_becomes_the_config_as_json():
    form = form_of(SECTION, {}, FILLED)
    assert form.is_valid(), form.errors

    assert config_from(form, SECTION, stored={}) == {
        "address": "https://example.com",
        "pages": 7,
        "pause": 1.5,
        "is_polite": False,
        "mode": "sitemap",
        "depth": "deep",
        "paths": ["/help", "/faq"],
        "folder": "/data",
        "limit": None,
    }


def test_what_the_config_refuses_is_said_beside_the_field():
    form = form_of(SECTION, {}, {**FILLED, "config__address": "ftp://example.com"})
    assert form.is_valid()

    kept = config_from(form, SECTION, stored={"address": "https://old.example.com"})

    assert form.errors == {"config__address": ["An address begins with http."]}
    assert kept == {"address": "https://old.example.com"}


@pytest.mark.parametrize(("typed", "expected"), [("", "s3cr3t-of-old"), ("new", "new"), ("-", "")])
def test_a_secret_is_never_shown_and_an_empty_one_keeps_what_is_stored(typed, expected):
    stored = {"password": "s3cr3t-of-old"}
    form = form_of(SECRET_SECTION, stored, {"secrets__password": typed})

    assert isinstance(form.fields["secrets__password"], SecretField)
    assert "s3cr3t-of-old" not in form_of(SECRET_SECTION, stored).as_p()
    assert "Set. Leave empty to keep it" in form.as_p()
    assert form.is_valid()
    assert config_from(form, SECRET_SECTION, stored=stored) == {"password": expected}


def test_settings_are_shown_as_labels_and_values_without_their_secrets():
    assert rows(Secrets, {"password": "s3cr3t"}) == [("Password", "set")]
    shown = dict(rows(Config, {"address": "https://example.com", "paths": ["/a", "/b"]}))
    assert shown["Address"] == "https://example.com"
    assert shown["Paths"] == "/a, /b"
    assert shown["Polite"] == "yes"

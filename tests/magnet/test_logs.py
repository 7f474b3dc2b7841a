"""Every log line can be read by a machine and says which request it belongs to, whoever wrote it."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from django.conf import settings

from magnet import logs


@pytest.fixture
def as_json(capsys: pytest.CaptureFixture[str]) -> Iterator[None]:
    logs.configure({"format": "json", "level": "INFO"})
    with structlog.contextvars.bound_contextvars(request_id="r-1", caller="Ann"):
        yield
    logs.configure(settings.LOGGING)


def lines(captured: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in captured.readouterr().err.splitlines()]


def test_our_events_and_those_of_libraries_carry_the_request(as_json, capsys):
    structlog.get_logger("knowledge.sync").info("source_synced", stored=12)
    logging.getLogger("some.library").warning("slow %s", "disk")

    ours, theirs = lines(capsys)
    assert (ours["event"], ours["stored"], ours["request_id"], ours["caller"]) == ("source_synced", 12, "r-1", "Ann")
    assert (theirs["event"], theirs["level"], theirs["request_id"]) == ("slow disk", "warning", "r-1")


def test_an_error_keeps_its_traceback_on_its_line(as_json, capsys):
    try:
        raise ValueError("The page has no end.")
    except ValueError:
        structlog.get_logger("knowledge.sync").exception("page_failed")

    (line,) = lines(capsys)
    assert "ValueError: The page has no end." in str(line["exception"])


def test_what_is_below_the_level_is_not_written(as_json, capsys):
    structlog.get_logger("knowledge.sync").debug("detail")
    logging.getLogger("httpx").info("GET /")

    assert lines(capsys) == []


def test_a_traceback_for_people_shows_no_values(capsys):
    logs.configure({"format": "console", "level": "INFO"})
    secret = "sk-very-secret"
    try:
        raise ValueError(f"The page of {len(secret)} characters has no end.")
    except ValueError:
        structlog.get_logger("knowledge.sync").exception("page_failed")

    written = capsys.readouterr().err
    logs.configure(settings.LOGGING)
    assert "ValueError: The page of 14 characters has no end." in written
    assert "sk-very-secret" not in written


def test_a_line_for_people_keeps_each_value_apart(capsys):
    logs.configure({"format": "console", "level": "INFO"})

    structlog.get_logger("knowledge.sync").info(
        "source_synced", stored=12, name="Our wiki", url="http://a/", last="x\ny"
    )

    written = capsys.readouterr().err
    logs.configure(settings.LOGGING)
    _, _, told = written.partition("Z ")
    event = "source_synced" + 18 * " "
    assert told == f"[info     ] {event}[knowledge.sync] last='x\\ny' name='Our wiki' stored=12 url=http://a/\n"

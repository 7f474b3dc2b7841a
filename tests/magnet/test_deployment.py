"""What an operator copies and runs is complete: the example settings and the compose file."""

from __future__ import annotations

import re
from importlib.util import find_spec
from typing import Any

import pytest
import yaml
from django.core.management import get_commands

from tests.processes import ROOT

SETTINGS = (ROOT / "magnet/settings.py").read_text()
EXAMPLE = (ROOT / ".env.example").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
# Set by the commands themselves or by the tests, not by operators.
INTERNAL = {"MAGNET_ROLE", "TEST_DATABASE"}

# Where things are inside of a container.
FIXED_IN_A_CONTAINER = {
    "MAGNET_ENVIRONMENT",
    "HOST",
    "PORT",
    "MAGNET_DATA_DIR",
    "MAGNET_FILES_DIR",
    "MAGNET_STATIC_ROOT",
    "DATABASE_URL",
}


def offered() -> set[str]:
    return set(re.findall(r"^#?([A-Z_]+)=", EXAMPLE, re.MULTILINE))


def read() -> set[str]:
    return set(re.findall(r'(?:env\.\w+|number|json_object|kept_secret)\(\s*"([A-Z_]+)"', SETTINGS)) - INTERNAL


def test_the_example_names_every_setting_and_no_other():
    assert {"DATABASE_URL", "MAGNET_SECRET_KEY", "PORT"} <= read()
    assert read() - offered() == set()
    assert offered() - read() == {"OPENAI_API_KEY", "POSTGRES_PASSWORD", "MAGNET_WEB_PORTS", "MAGNET_WEB_PROCESSES"}


def test_what_the_compose_file_asks_for_stands_in_the_example():
    asked = set(re.findall(r"\$\{([A-Z_]+)", (ROOT / "compose.yaml").read_text()))

    assert asked - offered() == set()


@pytest.mark.parametrize("name", ["migrate", "web", "worker"])
def test_a_service_runs_a_command_that_exists_under_production_settings(name):
    service = COMPOSE["services"][name]

    commands = re.findall(r"python manage\.py (\w+)", " ".join(service["command"]))
    assert commands
    assert set(commands) <= set(get_commands())
    assert service["init"] is True
    assert service["environment"]["MAGNET_ENVIRONMENT"] == "production"


@pytest.mark.parametrize("name", ["migrate", "web", "worker"])
def test_every_setting_of_the_operator_reaches_a_service_but_for_the_places_in_the_container(name):
    service = COMPOSE["services"][name]

    assert service["env_file"] == [{"path": ".env", "required": False}]
    # What stands here without the operator's value in it wins over .env.
    fixed = {name for name, value in service["environment"].items() if f"${{{name}:" not in value}
    assert fixed & offered() == FIXED_IN_A_CONTAINER


def test_what_the_compose_file_insists_on_is_marked_as_required_in_the_example():
    insisted = set(re.findall(r"\$\{([A-Z_]+):\?", (ROOT / "compose.yaml").read_text()))

    assert {"POSTGRES_PASSWORD", "MAGNET_PUBLIC_URL"} <= insisted
    assert insisted - marked_as_required() == set()


def marked_as_required() -> set[str]:
    """Settings below a heading or a comment that says so."""
    marked, heading, comment = set(), "", ""
    for line in EXAMPLE.splitlines():
        if line.startswith("# -- "):
            heading = line
        elif found := re.match(r"#?([A-Z_]+)=", line):
            if "required" in heading + comment:
                marked.add(found[1])
            comment = ""
        else:
            comment += line
    return marked


def test_web_and_workers_wait_for_the_migrations_and_share_the_files():
    for name in ("web", "worker"):
        service = COMPOSE["services"][name]
        assert service["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
        assert "files:/data" in service["volumes"]
        assert "container_name" not in service


def test_the_health_check_of_the_web_is_a_module_that_exists():
    _, python, flag, module = COMPOSE["services"]["web"]["healthcheck"]["test"]

    assert (python, flag) == ("python", "-m")
    assert find_spec(module)


def test_the_image_leaves_out_secrets_and_data():
    ignored = (ROOT / ".dockerignore").read_text().split()

    assert {".env", ".data*", ".git", ".venv"} <= set(ignored)

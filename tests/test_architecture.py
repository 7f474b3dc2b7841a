"""The shape of the house, kept by a machine: sizes, names, and that every kind is registered, labelled and tested."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from knowledge.chunkers import CHUNKERS
from knowledge.connectors import CONNECTORS
from knowledge.readers import READERS
from knowledge.stores import STORES
from magnet.providers import PROVIDERS
from tools_app.api_auth import AUTHS
from tools_app.mcp_transports import TRANSPORTS

ROOT = Path(__file__).resolve().parent.parent
APPS = ("magnet", "knowledge", "tools_app", "agents", "conversations")
MOST_LINES = 400
LONGEST_FUNCTION = 60
EMPTY_NAMES = {"utils", "helpers", "common", "manager", "handler", "services", "misc"}
REGISTERED: dict[str, dict[str, Any]] = {
    "knowledge/connectors": CONNECTORS,
    "knowledge/readers": READERS,
    "knowledge/chunkers": CHUNKERS,
    "knowledge/stores": STORES,
    "magnet/providers": PROVIDERS,
    "tools_app/api_auth": AUTHS,
    "tools_app/mcp_transports": TRANSPORTS,
}
KINDS = [
    pytest.param(folder, kind, found, id=f"{folder.split('/')[1]}-{kind}")
    for folder, kinds in REGISTERED.items()
    for kind, found in kinds.items()
]


def python_files(*folders: str) -> list[Path]:
    return [
        path
        for folder in folders
        for path in sorted((ROOT / folder).rglob("*.py"))
        if "migrations" not in path.parts and ".venv" not in path.parts
    ]


@pytest.mark.parametrize("path", python_files(*APPS, "tests"), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_fits_on_a_desk(path):
    text = path.read_text()
    assert text.count("\n") <= MOST_LINES
    assert path.stem not in EMPTY_NAMES
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    too_long = [node.name for node in functions if node.end_lineno - node.lineno + 1 > LONGEST_FUNCTION]
    assert not too_long


@pytest.mark.parametrize("path", python_files(*APPS), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_says_why_it_exists_and_leaves_nothing_for_later(path):
    text = path.read_text()
    assert ast.get_docstring(ast.parse(text)) or not text.strip() or path.name == "apps.py"
    assert not re.search(r"#.*\b(TODO|FIXME|XXX)\b|NotImplementedError", text)


def test_only_the_apps_of_the_card_stand_at_the_top():
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert packages <= {*APPS, "tests"}


def test_only_the_settings_read_the_environment():
    readers = {
        str(path.relative_to(ROOT))
        for path in python_files(*APPS)
        if re.search(r"os\.environ(?!\.setdefault)(\[|\.get)|os\.getenv", path.read_text())
    }
    # Before Django loads: which database to start, and what a process hands to its children.
    assert readers <= {
        "magnet/settings.py",
        "magnet/processes/start_up.py",
        "magnet/processes/supervisor.py",
        "magnet/postgres/embedded_postgres.py",
        "knowledge/readers/isolation.py",
    }


def test_only_the_queue_and_its_worker_know_the_queue_library():
    users = {
        str(path.relative_to(ROOT))
        for path in python_files(*APPS)
        if re.search(r"^\s*(from|import) django_q", path.read_text(), re.MULTILINE)
    }
    assert users <= {"magnet/queue.py", "magnet/processes/cluster.py", "magnet/management/commands/work.py"}


@pytest.mark.parametrize(("folder", "kind", "found"), KINDS)
def test_every_kind_is_labelled_and_tested(folder, kind, found):
    assert found.label
    if hasattr(found, "Config"):
        assert issubclass(found.Config, BaseModel)
    assert (ROOT / found.__module__.replace(".", "/")).with_suffix(".py").is_relative_to(ROOT / folder)
    tests = "".join(path.read_text() for path in python_files("tests") if path.name != Path(__file__).name)
    assert found.__name__ in tests or f'"{kind}"' in tests


def test_edges_know_no_tables():
    rooms = ("connectors", "readers", "chunkers", "stores")
    edges = python_files(
        "magnet/providers",
        "tools_app/api_auth",
        "tools_app/mcp_transports",
        "tools_app/openapi",
        *(f"knowledge/{room}" for room in rooms),
    )
    guilty = [
        path
        for path in edges
        if re.search(r"^\s*from (magnet|knowledge|tools_app)\.models", path.read_text(), re.MULTILINE)
    ]
    assert not guilty


def test_imports_keep_to_the_floors_and_rooms():
    result = subprocess.run(
        [Path(sys.executable).with_name("lint-imports")], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout

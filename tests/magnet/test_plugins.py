"""Plug-ins: installed like any package, shown with what they add, refused with a reason, never in the way."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from django.urls import reverse

from knowledge.connectors import CONNECTORS
from knowledge.models import KnowledgeSource
from knowledge.readers import READERS, read
from magnet import plugins
from magnet.errors import SourceError
from tests import factories

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "tests" / "example_plugin"


@pytest.fixture(scope="session")
def site(tmp_path_factory) -> Path:
    """A folder into which pip has installed the example."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("site")
    for file in EXAMPLE.glob("*.*"):
        (source / file.name).write_bytes(file.read_bytes())
    offline = ["--no-index", "--no-deps", "--no-build-isolation", "--quiet", "--disable-pip-version-check"]
    pip = [sys.executable, "-m", "pip", "install", *offline, "--target", str(target), str(source)]
    subprocess.run(pip, check=True, capture_output=True, text=True)
    return target


@pytest.fixture
def load(monkeypatch, settings, tmp_path):
    """Load the plug-ins of these folders and modules; afterwards there are none."""

    def load(*folders: Path, modules: tuple[str, ...] = (), given: dict | None = None) -> tuple[plugins.Installed, ...]:
        for folder in folders:
            monkeypatch.syspath_prepend(folder)
        settings.PLUGINS, settings.PLUGIN_SETTINGS = list(modules), given or {}
        return plugins.load()

    yield load
    plugins.stop()
    monkeypatch.undo()
    settings.PLUGINS = []
    plugins.load()
    for name in [name for name in sys.modules if name.startswith(("magnet_jotter", "acme_"))]:
        del sys.modules[name]


def module(folder: Path, name: str, text: str) -> Path:
    (folder / f"{name}.py").write_text(textwrap.dedent(text))
    return folder


PLUGIN = """
from magnet.plugins import Plugin
class Acme(Plugin):
    name, version = "acme", "1"
"""


def acme(folder: Path, body: str) -> Path:
    return module(folder, "acme_plugin", PLUGIN + textwrap.indent(textwrap.dedent(body), "    "))


@pytest.mark.django_db(transaction=True)
def test_an_installed_package_brings_a_connector_that_syncs_and_a_reader(site, load):
    (jotter,) = load(site)
    assert (jotter.status, jotter.origin, jotter.version) == (plugins.Status.LOADED, "package magnet-jotter", "1.2")

    source = factories.source(connector="jotter", config={"notes": ["Bees make honey.", "Cows give milk."]})
    run = factories.sync_now(source)

    assert run.receipt["live"] == 2
    assert read(b"One~Two", filename="a.jot").text.split() == ["One", "Two"]


@pytest.mark.django_db(transaction=True)
def test_a_source_whose_plug_in_is_gone_stays_and_says_so(site, load, owner):
    load(site)
    source = factories.source(connector="jotter", config={"notes": ["Bees make honey."]})
    factories.sync_now(source)
    plugins._installed[0].plugin = None
    sys.path.remove(str(site))
    assert plugins.load() == ()

    source = KnowledgeSource.objects.get()
    run = factories.sync_now(source)

    assert run.status == "failed"
    assert "not installed" in run.error
    assert run.receipt["live"] == 1
    page = owner.get(reverse("admin:knowledge_knowledgesource_change", args=[source.pk]))
    assert page.status_code == 200
    assert "not installed" in page.content.decode()
    assert owner.get(reverse("admin:knowledge_knowledgesource_changelist")).status_code == 200
    with pytest.raises(SourceError, match="not installed"):
        source.open_connector().check()


def test_the_command_lists_what_an_installed_package_adds(site):
    asked = subprocess.run(
        [sys.executable, "manage.py", "plugins", "--json"],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(site), "DJANGO_SETTINGS_MODULE": "tests.settings"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip

    (jotter,) = json.loads(asked.stdout)
    assert jotter["status"] == "loaded"
    assert {kind["kind"] for kind in jotter["kinds"]} == {"jotter", "jot"}


def test_without_plug_ins_the_command_says_how_to_write_one():
    asked = subprocess.run(
        [sys.executable, "manage.py", "plugins"], cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "docs/plugins.md" in asked.stdout
    assert (ROOT / "docs" / "plugins.md").exists()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ('needs = ("no-such-package>=2",)', "needs no-such-package>=2, which is not installed"),
        ('needs = ("django>=99",)', "needs django>=99, but django 5"),
        ('needs = ("magnet>=99",)', "needs magnet>=99, but magnet 0"),
        ('needs = ("!",)', "is no requirement"),
        ("def check(self): return 'The licence file is missing.'", "The licence file is missing."),
        ("def check(self): raise OSError('no disk')", "OSError: no disk"),
        ("def kinds(self): return {'gadgets': {}, 'toys': {'a': int}}", "There is no extension point “toys”"),
        ("def kinds(self): return {'connectors': {'x y': int}}", "“x y” cannot name a kind"),
        ("def kinds(self): return {'connectors': {'wiki': int}}", "“wiki” is no subclass of knowledge.connectors.base"),
        ("def kinds(self): return {'connectors': {'folder': int}}", "There is a kind “folder” among the connectors"),
        (
            """
            def kinds(self):
                from knowledge.connectors.base import Connector
                class Half(Connector):
                    label = "Half"
                    def check(self): return ""
                return {"connectors": {"half": Half}}
            """,
            "“half” does not define fetch, list",
        ),
    ],
)
def test_what_does_not_fit_is_refused_with_a_reason(load, tmp_path, body, reason):
    before = dict(CONNECTORS), dict(READERS)

    (found,) = load(acme(tmp_path, body), modules=("acme_plugin",))

    assert found.status is plugins.Status.REFUSED
    assert reason in found.reason
    assert (dict(CONNECTORS), dict(READERS)) == before


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import nothing_of_this_name", "No module named"),
        ("x = (", "SyntaxError"),
        ("x = 1", "defines 0 plug-ins"),
        (PLUGIN + "class Second(Plugin):\n    name, version = 'b', '1'\n", "defines 2 plug-ins"),
        ("from magnet.plugins import Plugin\nclass Bare(Plugin):\n    version = '1'\n", "has no name"),
    ],
)
def test_a_module_that_is_no_plug_in_is_refused(load, tmp_path, text, reason):
    (found,) = load(module(tmp_path, "acme_plugin", text), modules=("acme_plugin",))
    assert found.status is plugins.Status.REFUSED
    assert reason in found.reason


def test_a_name_that_was_mistyped_is_told_without_a_traceback(load, capsys):
    (found,) = load(modules=("acme_wikki",))

    assert found.reason.startswith("There is no module “acme_wikki”.")
    assert "Traceback" not in "".join(capsys.readouterr())


def test_of_two_with_the_same_name_the_second_is_refused(load, tmp_path):
    module(tmp_path, "acme_again", PLUGIN)
    first, second = load(acme(tmp_path, "label = 'Acme'"), modules=("acme_plugin", "acme_again"))
    assert first.status is plugins.Status.LOADED
    assert "called “acme” already" in second.reason


def test_settings_of_the_wrong_shape_are_told_in_plain_words(site, load):
    (found,) = load(site, given={"jotter": {"writer": "Ann"}})
    assert found.status is plugins.Status.REFUSED
    assert "writer" in found.reason
    assert "jotter" not in CONNECTORS


def test_one_that_cannot_start_is_taken_out_and_the_others_go_on(load, tmp_path, site):
    body = """
    def kinds(self):
        from knowledge.readers import MarkdownReader
        return {"readers": {"acme": MarkdownReader}}
    def ready(self):
        raise RuntimeError("no connection")
    """
    load(acme(tmp_path, body), site, modules=("acme_plugin",))
    assert "acme" in READERS

    plugins.start()

    states = {found.name: found for found in plugins.installed()}
    assert "no connection" in states["acme"].reason
    assert "acme" not in READERS
    assert states["jotter"].is_ready


def test_ready_and_shutdown_are_called_once(load, tmp_path):
    body = """
    calls = []
    def ready(self): self.calls.append("ready")
    def shutdown(self): self.calls.append("shutdown")
    """
    (found,) = load(acme(tmp_path, body), modules=("acme_plugin:Acme",))
    plugins.start()
    plugins.start()
    plugins.stop()
    plugins.stop()
    assert found.plugin.calls == ["ready", "shutdown"]


@pytest.mark.django_db
def test_staff_see_what_is_used_and_why_something_is_not(load, tmp_path, site, owner, member):
    load(
        acme(tmp_path, "def check(self): return 'The licence <b>file</b> is missing.'"), site, modules=("acme_plugin",)
    )

    page = owner.get(reverse("admin:plugins")).content.decode()

    assert "Jotter" in page
    assert "connectors: jotter" in page
    assert "The licence &lt;b&gt;file&lt;/b&gt; is missing." in page
    assert "1 plug-in is not used." in owner.get(reverse("admin:index")).content.decode()
    assert member("Viewer").get(reverse("admin:plugins")).status_code == 403


@pytest.mark.django_db
def test_without_plug_ins_the_page_says_what_they_are(owner):
    page = owner.get(reverse("admin:plugins")).content.decode()
    assert "No plug-in is installed." in page

"""A repository as a knowledge source: its texts at the newest commit, and nothing while there is no newer one."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from knowledge.connectors.base import KEEP_THE_REST, RemoteDocument
from knowledge.connectors.git_repository import GitRepositoryConfig, GitRepositoryConnector, GitRepositorySecrets
from knowledge.models import Document
from magnet.errors import FetchFailed, ListingFailed
from tests import factories
from tests.knowledge.connectors.fake_api import FAULT, SLOW_DOWN, as_json, impatient_client, running
from tests.knowledge.connectors.fakes.git_hosts import FakeGitHub, FakeGitLab, blob_sha

FILES = {
    "README.md": b"# Read me",
    "code.py": b"print()",
    "docs/a b/Übersicht #1.md": b"# Overview",
    "docs/link.md": b"->README.md",
    "docs/名前.rst": b"Names\n=====",
    "docs/notes.txt": b"Notes",
}
HOSTS = {"github": (FakeGitHub, "ghp_secret"), "gitlab": (FakeGitLab, "glpat-secret")}


@pytest.fixture(params=HOSTS)
def host(request):
    with running(HOSTS[request.param][0]) as host:
        host.kind, host.files = request.param, dict(FILES)
        yield host


def config(host, **fields):
    return {"host": host.kind, "address": host.address, **fields}


def repository(host, *, token=None, state=None, **fields):
    secrets = GitRepositorySecrets(token=token or HOSTS[host.kind][1])
    settings = GitRepositoryConfig(**config(host, **fields))
    return GitRepositoryConnector(settings, secrets, state=state, client=impatient_client())


def listed(connector):
    return {document.remote_id: document for document in connector.list({})}


def test_every_text_of_the_repository_is_listed_and_fetched_by_its_hash(host):
    connector = repository(host)
    found = listed(connector)

    assert set(found) == set(FILES) - {"code.py", "docs/link.md"}
    for path, document in found.items():
        assert document.version == blob_sha(FILES[path])
        assert connector.fetch(document).body == FILES[path]
    readme = found["README.md"]
    blob = "blob" if host.kind == "github" else "-/blob"
    assert readme.url == f"{host.address}/{blob}/main/README.md"
    assert readme.media_type == "text/markdown"
    assert readme.metadata == {"path": "README.md", "repository": host.repository, "branch": "main"}
    assert connector.check() == f"Found 4 files in the branch main of {host.repository}."


def test_branch_folder_and_kinds_of_files_are_borders(host):
    narrow = repository(
        host, branch="release/1.x", folder="/docs/", patterns=["*.md", "*.txt"], exclude=["docs/a b/**"]
    )

    assert list(listed(narrow)) == ["docs/notes.txt"]
    with pytest.raises(ListingFailed, match="There is no folder doc in the branch main"):
        listed(repository(host, folder="doc"))
    with pytest.raises(ListingFailed, match=r"knows no .*commits/none"):
        listed(repository(host, branch="none"))


def test_without_a_new_commit_nothing_is_listed_and_everything_kept(host):
    first = repository(host)
    listed(first)
    host.calls.clear()

    assert list(repository(host, state=first.state).list({})) == [KEEP_THE_REST]
    assert len(host.calls) == 2

    host.files["README.md"] = b"# New"
    del host.files["docs/notes.txt"]
    after = listed(repository(host, state=first.state))
    assert "docs/notes.txt" not in after
    assert after["README.md"].version == blob_sha(b"# New")


def test_a_tree_that_is_too_large_for_one_answer_is_walked():
    with running(FakeGitHub) as host:
        host.kind, host.files, host.most_entries = "github", dict(FILES), 4
        assert len(listed(repository(host))) == 4

        host.files |= {f"docs/{number}.md": b"x%d" % number for number in range(9)}
        with pytest.raises(ListingFailed, match="The folder docs/ holds more files than GitHub names"):
            listed(repository(host))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (as_json({"message": "Bad"}, status=401), "The token was refused by Git.*“Bad”"),
        (as_json({"message": "API rate limit exceeded"}, status=403), "refused.*“API rate limit exceeded”"),
        (SLOW_DOWN, "slow down.*3,600 seconds"),
        (FAULT, "has a fault"),
    ],
)
def test_half_a_listing_deletes_nothing(host, answer, said):
    host.fail("page_token=2" if host.kind == "gitlab" else "/git/trees/", answer, answer)
    connector = repository(host)

    with pytest.raises(ListingFailed, match=f"{said}.*Nothing was deleted"):
        listed(connector)

    assert connector.state == {}


def test_a_wrong_token_and_a_missing_file_are_told(host):
    with pytest.raises(ListingFailed, match="The token was refused"):
        repository(host, token="wrong").check()
    with pytest.raises(FetchFailed, match="knows no"):
        repository(host).fetch(RemoteDocument("x.md", version="0" * 40))


def test_a_pointer_to_a_large_file_is_no_text(host):
    host.files["big.md"] = b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 1\n"
    connector = repository(host)

    with pytest.raises(FetchFailed, match="Git LFS"):
        connector.fetch(listed(connector)["big.md"])


def test_an_address_names_a_repository():
    for wrong in ("github.com/a/b", "https://github.com/acme", "https://me:pw@github.com/a/b"):
        with pytest.raises(ValidationError):
            GitRepositoryConfig(address=wrong)
    public = GitRepositoryConnector(GitRepositoryConfig(address="https://github.com/acme/handbook.git"))
    assert public.host.api.base_url == "https://api.github.com"
    assert public.host.repository == "acme/handbook"
    public.close()


@pytest.mark.django_db(transaction=True)
def test_two_syncs_bring_a_repository_up_to_date(host, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    host.files = {f"page-{number}.md": f"# Page {number}\n\nText {number}.".encode() for number in range(6)}
    source = factories.source("handbook", connector="git_repository", config=config(host))
    source.set_secrets({"token": HOSTS[host.kind][1]})
    source.save()
    assert factories.sync_now(source).receipt["live"] == 6
    host.files["page-1.md"] = b"# Page 1\n\nNew text."
    del host.files["page-2.md"]

    receipt = factories.sync_now(source).receipt

    assert (receipt["seen"], receipt["changed"], receipt["unchanged"], receipt["deleted"]) == (5, 1, 4, 1)
    assert "New text." in Document.objects.get(remote_id="page-1.md").text
    assert factories.sync_now(source).receipt["seen"] == 5

"""A folder as a knowledge source: everything in it is named, or nothing is deleted."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from knowledge.connectors.base import RemoteDocument
from knowledge.connectors.file_names import title_of
from knowledge.connectors.folder import FolderConfig, FolderConnector
from magnet.errors import FetchFailed, ListingFailed
from tests.memory import memory_peak


@pytest.fixture
def share(settings):
    """A folder that every user of the machine could read."""
    root = Path(tempfile.mkdtemp(prefix="share-"))
    root.chmod(0o755)
    settings.FOLDER_ROOTS = [root]
    yield root
    shutil.rmtree(root)


def put(path: Path, text: str = "Some text.") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def connector(folder: Path | str, **config) -> FolderConnector:
    return FolderConnector(FolderConfig(path=str(folder), **config))


def ids(folder: FolderConnector, known: dict[str, str] | None = None) -> list[str]:
    return [document.remote_id for document in folder.list(known or {})]


def test_lists_what_can_be_read_and_nothing_hidden(share):
    for name in ("b.md", "a.txt", "guides/deep/c.html", "film.mp4", ".hidden.md", ".git/readme.md", "LOUD.MD"):
        put(share / name)

    assert ids(connector(share)) == ["LOUD.MD", "a.txt", "b.md", "guides/deep/c.html"]


def test_a_document_carries_what_the_ledger_needs(share):
    file = put(share / "guides/first_steps.md", "# First steps")

    (document,) = connector(share).list({})

    assert document.title == ""  # the document knows its title better than its file name does
    assert title_of(document.remote_id) == "first steps"
    assert document.media_type == "text/markdown"
    assert document.metadata == {"path": "guides/first_steps.md"}
    assert document.version == f"13-{file.stat().st_mtime_ns}"
    assert document.content is None


def test_a_changed_file_has_another_version_and_an_untouched_one_the_same(share):
    file, other = put(share / "a.md"), put(share / "b.md")
    before = {document.remote_id: document.version for document in connector(share).list({})}

    os.utime(file, ns=(1, 1))
    after = {document.remote_id: document.version for document in connector(share).list(before)}

    assert before["a.md"] != after["a.md"]
    assert before["b.md"] == after["b.md"]
    assert other.exists()


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"patterns": ["*.md"]}, ["a.md", "guides/b.md", "guides/drafts/c.md"]),
        ({"patterns": ["guides/*.md"]}, ["guides/b.md"]),
        ({"patterns": ["guides/**"]}, ["guides/b.md", "guides/drafts/c.md", "guides/drafts/d.txt"]),
        ({"patterns": ["**/drafts/*"]}, ["guides/drafts/c.md", "guides/drafts/d.txt"]),
        ({"patterns": ["[ab].md"]}, ["a.md", "guides/b.md"]),
        ({"exclude": ["**/drafts/**"]}, ["a.md", "guides/b.md"]),
        ({"exclude": ["*.MD"]}, ["guides/drafts/d.txt"]),
        ({"only_readable": False, "patterns": ["*.mp4"]}, ["film.mp4"]),
    ],
)
def test_patterns_choose_files(share, config, expected):
    for name in ("a.md", "guides/b.md", "guides/drafts/c.md", "guides/drafts/d.txt", "film.mp4"):
        put(share / name)

    assert ids(connector(share, **config)) == expected


def test_fetches_the_bytes_with_their_name(share):
    put(share / "guides/a.md", "Grüße")

    content = connector(share).fetch(RemoteDocument("guides/a.md"))

    assert (content.body, content.media_type, content.filename) == ("Grüße".encode(), "text/markdown", "a.md")


# -- Names ---------------------------------------------------------------------------------------------------

ODD_NAMES = [
    b"\xd0\xa1\xd0\xbf\xd1\x80\xd0\xb0\xd0\xb2\xd0\xba\xd0\xb0.md",
    "使用説明.md".encode(),
    "دليل.md".encode(),
    "🧲 magnet.md".encode(),
    b"new\nline.md",
    b"back\\slash.md",
    b"100%.md",
    b"caf\xe9.md",
    b"caf\xe8.md",
    b"caf%E9.md",
    b"100%\xe9.md",
]


def test_every_name_has_its_own_id_that_the_database_keeps_and_that_leads_back(share):
    for number, name in enumerate(ODD_NAMES):
        Path(os.fsdecode(os.fsencode(share) + b"/" + name)).write_text(str(number))
    folder = connector(share)

    documents = list(folder.list({}))

    assert len({document.remote_id for document in documents}) == len(ODD_NAMES)
    assert {int(folder.fetch(document).body) for document in documents} == set(range(len(ODD_NAMES)))
    for document in documents:
        (document.remote_id + title_of(document.remote_id) + str(document.metadata)).encode()
    assert {"café", "cafè", "使用説明", "100%"} <= {title_of(document.remote_id) for document in documents}
    assert "使用説明.md" in {document.remote_id for document in documents}


# -- What is refused -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/etc", "/", "{share}-neighbour", "{share}/../..", "{share}/door"])
def test_a_folder_that_the_operator_has_not_opened_is_refused(share, path):
    neighbour = Path(f"{share}-neighbour")
    neighbour.mkdir()
    (share / "door").symlink_to("/etc")
    try:
        with pytest.raises(ListingFailed, match="MAGNET_FOLDER_ROOTS"):
            ids(connector(path.format(share=share)))
    finally:
        neighbour.rmdir()


@pytest.mark.parametrize(
    ("path", "because"),
    [("relative/folder", "full path"), ("{share}/a.md", "is a file"), ("{share}/gone", "cannot be opened")],
)
def test_a_path_that_is_no_folder_is_named(share, path, because):
    put(share / "a.md")

    with pytest.raises(ListingFailed, match=because):
        ids(connector(path.format(share=share)))


def test_links_do_not_lead_out_of_the_opened_folders(share, tmp_path):
    put(tmp_path / "secret.md", "the secret")
    (share / "file.md").symlink_to(tmp_path / "secret.md")
    (share / "folder").symlink_to(tmp_path)
    put(share / "a.md")
    folder = connector(share)

    assert ids(folder) == ["a.md"]
    assert "file.md (a link that leads out of MAGNET_FOLDER_ROOTS)" in folder.state["notice"]
    for remote_id in ("file.md", "folder/secret.md", "../../../../../../etc/passwd", "/..%2F..%2Fetc%2Fpasswd"):
        with pytest.raises(FetchFailed, match=r"leads out of the folders|no longer in"):
            folder.fetch(RemoteDocument(remote_id))


def test_links_inside_are_followed_and_circles_end(share):
    put(share / "real/a.md")
    (share / "alias").symlink_to(share / "real")
    (share / "real/loop").symlink_to(share)
    (share / "self.md").symlink_to(share / "self.md")

    with pytest.raises(ListingFailed, match=r"self\.md cannot be looked at"):
        ids(connector(share))
    (share / "self.md").unlink()

    assert ids(connector(share)) == ["alias/a.md", "real/a.md"]


def test_a_huge_file_is_listed_but_not_read(share, settings):
    settings.MAX_UPLOAD_BYTES = 1024 * 1024
    with put(share / "huge.md").open("r+b") as file:
        file.truncate(settings.MAX_UPLOAD_BYTES + 1)
    folder = connector(share)

    (document,) = folder.list({})

    with pytest.raises(FetchFailed, match=r"huge\.md is larger than 1 MB.*MAGNET_MAX_UPLOAD_MB"):
        folder.fetch(document)


def test_a_pipe_is_no_document(share):
    os.mkfifo(share / "pipe.md")
    folder = connector(share)

    assert ids(folder) == []
    with pytest.raises(FetchFailed, match="is not a file"):
        folder.fetch(RemoteDocument("pipe.md"))


def test_a_file_that_went_away_is_named(share):
    with pytest.raises(FetchFailed, match=r"gone\.md is no longer in"):
        connector(share).fetch(RemoteDocument("gone.md"))


# -- Complete or not at all ----------------------------------------------------------------------------------


@pytest.fixture
def as_nobody(share):
    """Rights do not bite the superuser."""
    if os.geteuid() == 0:
        os.seteuid(65534)
        yield
        os.seteuid(0)
    else:
        yield


def test_a_subfolder_without_rights_ends_the_listing(share, request):
    put(share / "a.md")
    put(share / "closed/b.md").parent.chmod(0o000)
    request.getfixturevalue("as_nobody")

    with pytest.raises(ListingFailed, match=r"closed cannot be opened: Permission denied.*nothing was deleted"):
        ids(connector(share))


def test_a_file_without_rights_fails_alone(share, request):
    put(share / "a.md").chmod(0o000)
    request.getfixturevalue("as_nobody")
    folder = connector(share)

    (document,) = folder.list({})

    with pytest.raises(FetchFailed, match=r"a\.md cannot be read: Permission denied"):
        folder.fetch(document)


def test_a_subfolder_that_vanishes_meanwhile_ends_the_listing(share):
    put(share / "a.md")
    put(share / "later/b.md")
    listing = connector(share).list({})
    next(listing)

    shutil.rmtree(share / "later")

    with pytest.raises(ListingFailed, match=r"later went away meanwhile\. Nothing was deleted"):
        list(listing)


def test_a_subfolder_of_a_subfolder_that_vanishes_meanwhile_ends_the_listing(share):
    put(share / "first/a.md")
    put(share / "first/later/b.md")
    put(share / "first/other/c.md")
    listing = connector(share).list({})
    next(listing)
    next(listing)

    shutil.rmtree(share / "first/other")

    with pytest.raises(ListingFailed, match="other cannot be opened"):
        list(listing)


def test_a_link_to_an_unmounted_share_deletes_nothing(share):
    put(share / "a.md")
    (share / "mount").symlink_to(share / "not-there")

    assert ids(connector(share)) == ["a.md"]
    with pytest.raises(ListingFailed, match="mount is a link that leads nowhere"):
        ids(connector(share), {"mount/b.md": "1"})


def test_says_how_much_it_found(share):
    put(share / "a.md")
    assert connector(share).check() == f"Found 1 readable file in {share}."

    put(share / "b.md")
    assert connector(share).check() == f"Found 2 readable files in {share}."


def test_thousands_of_files_stream_without_a_list_of_them_all(share):
    for folder in range(50):
        (share / f"{folder}").mkdir()
        for file in range(100):
            (share / f"{folder}/{file}.md").touch()
    folder = connector(share)
    next(folder.list({}))  # the readers are loaded

    with memory_peak() as peak:
        count = sum(1 for _ in folder.list({}))

    assert count == 5_000
    assert peak() < 500_000


def test_a_folder_of_very_many_files_is_listed_in_little_memory(share):
    for file in range(20_000):
        (share / f"{file}.md").touch()
    folder = connector(share)
    next(folder.list({}))  # the readers are loaded

    with memory_peak() as peak:
        count = sum(1 for _ in folder.list({}))

    assert count == 20_000
    assert peak() < 2_000_000

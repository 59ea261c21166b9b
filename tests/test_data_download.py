"""Downloads, from a server on this machine that breaks off, lies, redirects, forgets and counts what it is asked."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from minigrad.data import DownloadError, cache_folder, download, fetch

CONTENT = bytes(range(256)) * 2000  # 512,000 bytes
SHA = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """What it sends, and how, is set by the test; `asked` has the path and the Range of each request."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.etag, self.ranges = CONTENT, '"v1"', True
        self.cut: list[int] = []  # break off after so many bytes, one entry for each request
        self.answers: list[int] = []  # statuses in place of an answer, one for each request
        self.length = True
        self.asked: list[tuple[str, str | None]] = []
        self.before: Callable[[], None] = lambda: None

    def handle_error(self, request, client_address):
        """Clients that lost patience are no error here."""

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/files/data%20set.bin?key=1"


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_GET(self):
        server = self.server
        server.asked.append((self.path, self.headers["Range"]))
        server.before()
        if self.path.startswith("/moved"):
            self.send_response(302)
            self.send_header("Location", "/files/there.bin")
            self.end_headers()
            return
        if server.answers:
            self.send_error(server.answers.pop(0))
            return
        start, total = 0, len(server.content)
        if server.ranges and self.headers["Range"] and self.headers["If-Range"] == server.etag:
            start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
            if start >= total:
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        else:
            self.send_response(200)
        if server.etag:
            self.send_header("ETag", server.etag)
        if server.length:
            self.send_header("Content-Length", str(total - start))
        self.end_headers()
        stop = start + server.cut.pop(0) if server.cut else total
        self.wfile.write(server.content[start:stop])


@pytest.fixture
def server(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def get(server, folder, sha256=SHA, **options):
    return fetch(server.url, sha256, folder, **{"pause": 0.001, "progress": False, **options})


def leftovers(folder):
    return sorted(path.name for path in folder.iterdir() if path.suffix == ".part" or not path.name.startswith("."))


# ---------------------------------------------------------------------------------------------------------- a good day


def test_a_file_is_fetched_once(server, tmp_path):
    path = get(server, tmp_path / "new" / "folder")
    assert path == tmp_path / "new" / "folder" / "data set.bin"
    assert path.read_bytes() == CONTENT
    assert server.asked == [("/files/data%20set.bin?key=1", None)]
    assert leftovers(path.parent) == ["data set.bin"]
    assert get(server, tmp_path / "new" / "folder") == path
    assert get(server, str(path.parent), None) == path
    assert len(server.asked) == 1


def test_without_a_hash_and_under_another_name(server, tmp_path):
    assert get(server, tmp_path, None, name="mine").read_bytes() == CONTENT
    assert get(server, tmp_path, SHA.upper(), name="other").name == "other"


def test_the_cache(server, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "minigrad"
    path = get(server, None)
    assert path.name == "data set.bin"
    assert path.is_relative_to(tmp_path / "minigrad")
    assert get(server, None) == path
    other = fetch(server.url.replace("key=1", "key=2"), progress=False)
    assert other != path, "each address has a folder of its own"
    assert len(server.asked) == 2
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder() == tmp_path / "home" / ".cache" / "minigrad"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == tmp_path / "home" / ".cache" / "minigrad"


def test_redirects_are_followed(server, tmp_path):
    url = server.url.replace("/files/", "/moved/")
    assert fetch(url, SHA, tmp_path, progress=False).name == "data set.bin"
    assert [path for path, _ in server.asked] == ["/moved/data%20set.bin?key=1", "/files/there.bin"]


def test_a_file_of_this_machine(tmp_path):
    source = tmp_path / "a.bin"
    source.write_bytes(CONTENT)
    assert fetch(source.as_uri(), SHA, tmp_path / "b", progress=False).read_bytes() == CONTENT
    with pytest.raises(DownloadError, match=r"fetch: file:///.*none\.bin"):
        fetch((tmp_path / "none.bin").as_uri(), folder=tmp_path / "b", progress=False)


def test_a_server_that_does_not_say_how_much(server, tmp_path):
    server.length = False
    assert get(server, tmp_path).read_bytes() == CONTENT


def test_an_empty_file(server, tmp_path):
    server.content = b""
    assert get(server, tmp_path, None).read_bytes() == b""


def test_the_bar_shows_where_someone_watches(server, tmp_path, monkeypatch, capsys):
    get(server, tmp_path, progress=True)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    get(server, tmp_path, progress=True, name="again")
    shown = capsys.readouterr().err
    assert "again: 100%" in shown
    assert "500k/500k" in shown


# ---------------------------------------------------------------------------------------------------- broken transfers


def test_a_broken_transfer_goes_on_where_it_broke(server, tmp_path):
    server.cut = [100_000, 150_000]
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert [asked for _, asked in server.asked] == [None, "bytes=100000-", "bytes=250000-"]


def test_a_later_call_goes_on(server, tmp_path):
    server.cut = [100_000]
    with pytest.raises(
        DownloadError, match=r"broke off after 100000 of 512000 bytes; 100000 bytes .* call again to go on"
    ):
        get(server, tmp_path, retries=0)
    assert leftovers(tmp_path) == [".data set.bin.part"]
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.asked[-1][1] == "bytes=100000-"


@pytest.mark.parametrize("etag", ['"v1"', None, 'W/"v1"'])
def test_a_server_that_cannot_go_on_starts_anew(server, tmp_path, etag):
    server.ranges, server.cut, server.etag = False, [100_000], etag
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.asked[-1][1] == ("bytes=100000-" if etag == '"v1"' else None)


def test_a_file_that_changed_meanwhile_is_not_patched_together(server, tmp_path):
    server.cut = [100_000]
    with pytest.raises(DownloadError):
        get(server, tmp_path, retries=0)
    server.content, server.etag = CONTENT[::-1], '"v2"'
    assert get(server, tmp_path, None).read_bytes() == CONTENT[::-1]


def test_two_halves_that_do_not_fit_are_fetched_again_as_a_whole(server, tmp_path):
    server.cut = [100_000]
    with pytest.raises(DownloadError):
        get(server, tmp_path, retries=0)
    server.content = CONTENT[::-1]  # under the same ETag
    found = get(server, tmp_path, hashlib.sha256(server.content).hexdigest())
    assert found.read_bytes() == CONTENT[::-1]
    assert [asked for _, asked in server.asked] == [None, "bytes=100000-", None]


def test_a_wrong_hash_after_breaks_ends(server, tmp_path):
    server.cut = [100_000, 412_000, 100_000, 412_000, 100_000, 412_000]
    with pytest.raises(DownloadError, match="not the expected file"):
        get(server, tmp_path, "0" * 64)
    assert len(server.asked) <= 4


def test_a_part_that_is_longer_than_the_file(server, tmp_path):
    server.cut = [100_000]
    with pytest.raises(DownloadError):
        get(server, tmp_path, retries=0)
    server.content = CONTENT[:50_000]
    assert get(server, tmp_path, None).read_bytes() == CONTENT[:50_000]


def test_a_part_of_another_address_is_not_used(server, tmp_path):
    server.cut = [100_000]
    with pytest.raises(DownloadError):
        get(server, tmp_path, retries=0)
    assert fetch(server.url + "0", SHA, tmp_path, progress=False).read_bytes() == CONTENT
    assert server.asked[-1][1] is None


def test_passing_troubles_are_waited_for(server, tmp_path):
    server.answers = [503, 429]
    assert get(server, tmp_path).read_bytes() == CONTENT
    server.answers = [500] * 4
    with pytest.raises(DownloadError, match="the server answers 500 Internal Server Error; 0 bytes"):
        get(server, tmp_path, name="other", retries=3)
    assert not server.answers


def test_progress_wins_new_tries(server, tmp_path):
    server.cut = [10_000] * 10
    assert get(server, tmp_path, retries=1).read_bytes() == CONTENT
    server.cut = [0] * 10
    with pytest.raises(DownloadError, match="broke off after 0 of 512000 bytes"):
        get(server, tmp_path, retries=2, name="other")
    assert len(server.cut) == 7


def test_a_silent_server(server, tmp_path):
    wait = threading.Event()
    server.before = lambda: wait.wait(5)
    with pytest.raises(DownloadError, match="timed out"):
        get(server, tmp_path, timeout=0.1, retries=1)
    wait.set()
    assert len(server.asked) == 2


def test_nobody_there(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(DownloadError, match="refused"):
        fetch("http://127.0.0.1:9/x", folder=tmp_path, pause=0.001, retries=1, progress=False)


# ----------------------------------------------------------------------------------------------------------- bad days


@pytest.mark.parametrize("status", [404, 403, 410])
def test_what_is_not_there_is_asked_for_once(server, tmp_path, status):
    server.answers = [status]
    with pytest.raises(DownloadError, match=rf"fetch: http://127.*: the server answers {status} "):
        get(server, tmp_path)
    assert len(server.asked) == 1
    assert leftovers(tmp_path) == []


def test_a_wrong_hash_shows_both_and_leaves_nothing(server, tmp_path):
    with pytest.raises(
        DownloadError, match=rf"it was removed\n  expected SHA-256 {'0' * 64}\n  found    SHA-256 {SHA}"
    ):
        get(server, tmp_path, "0" * 64)
    assert leftovers(tmp_path) == []


def test_a_kept_file_is_checked_too(server, tmp_path):
    path = get(server, tmp_path)
    path.write_bytes(b"changed")
    with pytest.raises(DownloadError, match=rf"remove it to fetch it again\n  expected SHA-256 {SHA}\n  found "):
        get(server, tmp_path)
    assert path.read_bytes() == b"changed"


def test_a_file_of_the_same_name_from_elsewhere(server, tmp_path):
    get(server, tmp_path)
    with pytest.raises(DownloadError, match=r"came from another address than .*; give another name= or folder="):
        fetch(server.url + "0", folder=tmp_path)
    (tmp_path / "mine").write_bytes(b"by hand")
    assert get(server, tmp_path, None, name="mine").read_bytes() == b"by hand"


@pytest.mark.parametrize(
    ("url", "options", "words"),
    [
        ("ftp://x/y", {}, "expected an address that begins with https://, http:// or file://"),
        ("data.csv", {}, "expected an address"),
        ("http://x/", {}, "'' from http://x/ is no name for a file; give name="),
        ("http://x/..%2F..%2Fetc", {}, "is no name for a file"),
        ("http://x/y", {"name": "../y"}, "is no name for a file"),
        ("http://x/y", {"name": ".."}, "is no name for a file"),
        ("http://x/y", {"sha256": "abc"}, "a SHA-256 has 64 hexadecimal digits, not 'abc'"),
        ("http://x/y", {"retries": -1}, "retries must be a whole number"),
    ],
)
def test_addresses_that_cannot_be_fetched(tmp_path, url, options, words):
    with pytest.raises(ValueError, match=words):
        fetch(url, folder=tmp_path, **options)
    assert list(tmp_path.iterdir()) == []


def test_a_note_that_is_damaged_counts_as_none(tmp_path):
    (tmp_path / ".x.source").write_text("no JSON")
    (tmp_path / "x").write_bytes(b"1")
    assert fetch("http://127.0.0.1:9/x", folder=tmp_path).read_bytes() == b"1"
    assert download._noted(tmp_path / "nowhere") == {}

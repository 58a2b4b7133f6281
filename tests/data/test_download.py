"""Downloads from real servers on 127.0.0.1, each with another fault."""

import hashlib
import http.server
import os
import re
import subprocess
import sys
import threading

import numpy as np
import pytest
from folder_contents import listed

from tfconv import InputError
from tfconv.data.download import data_directory, download

CONTENT = np.random.default_rng(0).bytes(3_000_000)
MD5 = hashlib.md5(CONTENT).hexdigest()
CHECKS = {"md5": MD5, "sha256": hashlib.sha256(CONTENT).hexdigest(), "size": len(CONTENT)}


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves `server.content`, with the faults that the server's attributes ask for."""

    def do_GET(self):
        server = self.server
        asked = self.headers.get("Range")
        server.requests.append(asked)
        content, start, code = server.content, 0, 200
        if server.refusals:
            return self.send_error(server.refusals.pop(0))
        if asked and server.ranges:
            start, code = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]), 206
            if start >= len(content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(content)}")
                return self.end_headers()
        self.send_response(code)
        if code == 206:
            self.send_header("Content-Range", f"bytes {start + server.shift}-{len(content) - 1}/{len(content)}")
        if server.says_length:
            self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        end = min(len(content), start + server.breaks.pop(0)) if server.breaks else len(content)
        self.wfile.write(content[start:end])
        server.sent += end - start

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.content, server.ranges, server.says_length, server.shift = CONTENT, True, True, 0
        server.requests, server.breaks, server.refusals, server.sent = [], [], [], 0
        server.url = f"http://127.0.0.1:{server.server_port}/file.bin"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def closed_url():
    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        return f"http://127.0.0.1:{server.server_port}/file.bin"


def test_a_file_arrives_whole_and_only_once(server, tmp_path):
    path = tmp_path / "new" / "file.bin"
    assert download(server.url, path, **CHECKS) == path
    assert path.read_bytes() == CONTENT
    assert download(server.url, path, **CHECKS) == path
    assert server.requests == [None]
    assert listed(path.parent) == ["file.bin"]


def test_a_server_that_dies_half_way_is_asked_for_the_rest(server, tmp_path):
    server.breaks = [1_000_000, 1_500_000]
    download(server.url, tmp_path / "a", pause=0, **CHECKS)
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert server.requests == [None, "bytes=1000000-", "bytes=2500000-"]
    assert server.sent == len(CONTENT)


def test_a_later_call_goes_on_where_the_earlier_one_gave_up(server, tmp_path):
    server.breaks = [1_000_000, 0, 0]
    with pytest.raises(InputError, match="broke after 1,000,000 of 3,000,000 bytes; 1,000,000 bytes are kept"):
        download(server.url, tmp_path / "a", attempts=2, pause=0, **CHECKS)
    assert not (tmp_path / "a").exists() and (tmp_path / "a.part").stat().st_size == 1_000_000
    server.breaks = []
    download(server.url, tmp_path / "a", **CHECKS)
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert server.requests[-1] == "bytes=1000000-"


def test_a_killed_process_leaves_a_part_that_the_next_one_uses(server, tmp_path):
    (tmp_path / "a.part").write_bytes(CONTENT[:2_999_999])
    download(server.url, tmp_path / "a", md5=MD5)
    assert (tmp_path / "a").read_bytes() == CONTENT and server.sent == 1


def test_a_complete_part_needs_no_server_when_the_size_is_known(tmp_path):
    (tmp_path / "a.part").write_bytes(CONTENT)
    download(closed_url(), tmp_path / "a", **CHECKS)
    assert (tmp_path / "a").read_bytes() == CONTENT


def test_a_complete_part_of_a_file_of_unknown_size(server, tmp_path):
    (tmp_path / "a.part").write_bytes(CONTENT)
    download(server.url, tmp_path / "a", md5=MD5)
    assert (tmp_path / "a").read_bytes() == CONTENT and server.sent == 0


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("says_length", [True, False])
def test_another_files_part_is_thrown_away(server, tmp_path, ranges, says_length):
    server.ranges, server.says_length = ranges, says_length
    for wrong in (b"x" * 1000, b"x" * 4_000_000):
        (tmp_path / "a.part").write_bytes(wrong)
        download(server.url, tmp_path / "a", md5=MD5, pause=0)
        assert (tmp_path / "a").read_bytes() == CONTENT
        os.unlink(tmp_path / "a")


def test_a_server_without_ranges_sends_all_again(server, tmp_path):
    server.ranges, server.breaks = False, [1_000_000]
    download(server.url, tmp_path / "a", pause=0, **CHECKS)
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert server.requests == [None, "bytes=1000000-"] and server.sent == 4_000_000


def test_a_server_that_sends_another_range_is_not_believed(server, tmp_path):
    server.shift = 5
    (tmp_path / "a.part").write_bytes(CONTENT[:1000])
    download(server.url, tmp_path / "a", pause=0, **CHECKS)
    assert (tmp_path / "a").read_bytes() == CONTENT


def test_a_short_file_without_a_stated_length(server, tmp_path):
    server.says_length, server.content = False, CONTENT[:-1]
    with pytest.raises(InputError, match="2,999,999 bytes arrived where 3,000,000 are expected; what arrived was"):
        download(server.url, tmp_path / "a", **CHECKS)
    assert listed(tmp_path) == []


@pytest.mark.parametrize("check", ["md5", "sha256"])
def test_a_wrong_checksum(server, tmp_path, check):
    server.content = b"x" + CONTENT[1:]
    with pytest.raises(InputError, match=f"its {check} is [0-9a-f]+ where {CHECKS[check]} is expected; what"):
        download(server.url, tmp_path / "a", **{check: CHECKS[check]})
    assert listed(tmp_path) == []


def test_a_page_in_place_of_the_file_is_refused_before_it_is_read(server, tmp_path):
    server.content = b"<html>please log in</html>"
    with pytest.raises(InputError, match="offers 26 bytes where 3,000,000 are expected"):
        download(server.url, tmp_path / "a", **CHECKS)
    assert listed(tmp_path) == []


def test_answers_other_than_the_file(server, tmp_path):
    server.refusals = [503, 500]
    download(server.url, tmp_path / "a", pause=0, **CHECKS)
    assert (tmp_path / "a").read_bytes() == CONTENT
    server.refusals = [404]
    with pytest.raises(InputError, match="the server answers 404 Not Found; check the address"):
        download(server.url, tmp_path / "b", pause=0)
    server.refusals = [503] * 9
    with pytest.raises(InputError, match="cannot be downloaded: the server answers 503"):
        download(server.url, tmp_path / "b", pause=0)
    with pytest.raises(InputError, match="cannot be downloaded: .*refused"):
        download(closed_url(), tmp_path / "c")
    assert listed(tmp_path) == ["a"]


def test_a_place_that_cannot_be_written(server, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="cannot be written .*; choose another folder"):
        download(server.url, tmp_path / "file" / "a")


def test_several_processes_share_one_download(server, tmp_path):
    code = f"from tfconv.data.download import download; download({server.url!r}, {str(tmp_path / 'a')!r}, md5={MD5!r})"
    processes = [subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL) for _ in range(4)]
    assert [process.wait(60) for process in processes] == [0] * 4
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert listed(tmp_path) == ["a"]
    assert server.requests == [None]


def test_one_line_on_standard_error_where_there_is_no_terminal(server, tmp_path, capfd):
    download(server.url, tmp_path / "a")
    assert capfd.readouterr().err.splitlines() == [f"downloading {server.url} (3.0 MB)"]


def test_where_data_lie(monkeypatch, tmp_path):
    monkeypatch.setenv("TFCONV_DATA_DIR", "/somewhere")
    assert str(data_directory()) == "/somewhere"
    assert data_directory(tmp_path) == tmp_path
    monkeypatch.delenv("TFCONV_DATA_DIR")
    assert str(data_directory()) == os.path.expanduser("~/.cache/tfconv")


def test_the_home_folder_of_nobody(monkeypatch):
    message = "~nosuchuser/x: there is no home folder ~nosuchuser; name the folder in full"
    with pytest.raises(InputError, match=message):
        data_directory("~nosuchuser/x")
    monkeypatch.setenv("TFCONV_DATA_DIR", "~nosuchuser/x")
    with pytest.raises(InputError, match=message):
        data_directory()

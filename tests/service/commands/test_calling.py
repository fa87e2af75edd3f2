"""`port104 echo` and `port104 send`: what they send, say and leave with."""

import contextlib
import json
import queue
import re
import threading
import time

import pytest
import structlog
import trio

from acceptor_service import serving
from part10_files import data_set, write_file
from port104.net.contracts import Refused
from port104.net.credentials import Credentials
from port104.wire.negotiation import NegotiationPolicy, Rejection, negotiate
from scripted_acceptor import acceptor
from stored import data_set_of
from tls_peers import Site


@contextlib.contextmanager
def in_thread(open_service):
    """Runs a service on a trio loop in another thread; gives what it gives."""
    given, ends = queue.Queue(), []

    async def run():
        async with open_service() as service:
            ends.append((trio.lowlevel.current_trio_token(), end := trio.Event()))
            given.put(service)
            await end.wait()

    thread = threading.Thread(target=trio.run, args=(run,))
    thread.start()
    try:
        yield given.get(timeout=20)
    finally:
        token, end = ends[0]
        token.run_sync_soon(end.set)
        thread.join(20)


@pytest.fixture
def service(tmp_path):
    with structlog.testing.capture_logs(), in_thread(lambda: serving(tmp_path / "storage", window=4)) as one:
        yield one


@pytest.fixture
def files(tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    for number in range(5):
        write_file(folder, f"1.2.{number}", 2000)
    return folder


def peer(port, *more):
    return ("127.0.0.1", port, "-aec", "PORT104", *more)


def scripted(script):
    return in_thread(lambda: acceptor(script))


# ---- echo ----


def test_an_echo_is_told(run, service):
    code, out, err = run("echo", *peer(service.port))
    assert (code, err) == (0, "")
    assert re.fullmatch(r"PORT104@127.0.0.1:\d+\t0000\tsuccess\t[\d.]+ ms\t[\d.]+ ms\n", out)
    code, out, _ = run("echo", *peer(service.port, "-o", "json"))
    assert json.loads(out)["words"] == "success"


def test_a_peer_that_is_not_there(run, service):
    code, out, err = run("echo", "127.0.0.1", 1)
    assert (code, out) == (3, "")
    assert err == (
        "port104: 127.0.0.1:1 cannot be reached: Connection refused; look at the port: the host is there, and"
        " nobody listens on it\n"
    )


def test_a_rejection(run, tmp_path):
    reject = Rejection.CALLED_AE_TITLE_NOT_RECOGNIZED.value
    with in_thread(lambda: serving(tmp_path, verdict=Refused(reject, "why", "hint"))) as service:
        code, _, err = run("echo", *peer(service.port))
    assert code == 4
    assert "rejected permanently: called AE title not recognized (1/1/7)" in err


def test_a_failure_of_the_operation(run):
    async def script(peer):
        await peer.accept()
        await peer.serve(0x0122)

    with scripted(script) as address:
        code, _, err = run("echo", *peer(address.port))
    assert (code, err) == (1, "port104: the peer answered status 0122: refused: SOP class not supported\n")


def test_titles_that_are_none(run):
    code, _, err = run("echo", "127.0.0.1", 1, "-aet", "A\\B")
    assert code == 2
    assert "the calling AE title 'A\\\\B' is none" in err
    assert "-aet and -aec name them" in err


def test_a_peer_hears_who_calls(run, tmp_path):
    requests = []

    async def script(peer):
        requests.append(await peer.accept())
        await peer.serve()

    passcode = tmp_path / "passcode"
    passcode.write_text("secret\nmore")
    with scripted(script) as address:
        user = ("--user", "jane", "--passcode-file", passcode)
        assert run("echo", *peer(address.port, "-aet", "ME", "--timeout", "5", *user))[0] == 0
        assert run("echo", *peer(address.port, "--user", "jane"))[0] == 0
    assert [request.calling_ae_title for request in requests] == ["ME", "PORT104"]
    identities = [request.user_information.user_identity for request in requests]
    assert [(one.type, one.primary, one.secondary) for one in identities] == [
        (2, b"jane", b"secret"),
        (1, b"jane", b""),
    ]
    code, _, err = run("echo", "127.0.0.1", 1, "--user", "x", "--passcode-file", tmp_path / "gone")
    assert (code, "cannot be read: No such file" in err) == (1, True)


# ---- send ----


def test_a_folder_is_sent(run, service, files):
    files.joinpath("notes.txt").write_text("no DICOM")
    code, out, err = run("send", *peer(service.port), files)
    assert (code, out) == (0, "5\t0000\tsuccess\n")
    assert re.match(r"port104: 5 files sent, 0 not, 0.0 MB in [\d.]+ s, [\d.]+ MB/s\n", err)
    assert "1 other files in folders were passed over" in err
    assert sorted(map(data_set_of, service.files())) == sorted(
        data_set(f"1.2.{number}", 2000) for number in range(5)
    )


class Counting:
    """Counts the associations that were accepted, and those among them over TLS."""

    def __init__(self):
        self.tls = []

    def established(self, start):
        self.tls.append(start.tls)

    def ended(self, end):
        pass


def test_over_tls_by_several_associations(run, tmp_path, files):
    (tmp_path / "site").mkdir()
    site, counting = Site(tmp_path / "site"), Counting()
    for number in range(5, 60):
        write_file(files, f"1.2.{number}", 2000)
    credentials = Credentials(site.files(), time.time())
    certificate, key = site.issue("scu")
    shown = ("--tls-authorities", site.authorities, "--tls-certificate", certificate, "--tls-key", key)
    with (
        structlog.testing.capture_logs(),
        in_thread(
            lambda: serving(tmp_path / "in", credentials=credentials, witnesses=(counting,))
        ) as service,
    ):
        order = (*peer(service.port), "--tls", *shown, "--associations", 3, files)
        assert run("send", *order)[:2] == (0, "60\t0000\tsuccess\n")
        assert len(service.files()) == 60
    assert counting.tls == [True] * 3


def test_what_is_named_and_no_dicom_file_is_a_failure(run, service, files):
    text = files / "notes.txt"
    text.write_text("no DICOM")
    code, out, err = run("send", *peer(service.port, "--associations", 2, "--window", 3), files, text)
    assert code == 5
    assert "5\t0000\tsuccess" in out
    assert f"{text}: it is no DICOM file (PS3.10 7.1)" in err


def test_it_is_resumed(run, service, files, tmp_path):
    journal = tmp_path / "sent.jsonl"
    first = sorted(files.iterdir())[:2]
    assert run("send", *peer(service.port, "--resume", journal), *first)[0] == 0
    code, out, err = run("send", *peer(service.port, "--resume", journal, "-o", "json"), files)
    summary = json.loads(out)
    assert (code, summary["sent"], summary["sent_before"]) == (0, 3, 2)
    assert "2 files were sent before" in err
    code, out, _ = run("send", *peer(service.port, "--resume", journal), files)
    assert (code, out) == (0, "")


def test_statuses_are_summed_up(run, files):
    async def script(peer):
        await peer.accept()
        await peer.serve(0xA700)

    with scripted(script) as address:
        code, out, err = run("send", *peer(address.port), files)
    assert (code, out) == (1, "5\tA700\trefused: out of resources\n")
    assert err.count("refused: out of resources (A700)") == 5


def test_a_warning_is_a_success(run, files):
    async def script(peer):
        await peer.accept()
        await peer.serve(0xB000)

    with scripted(script) as address:
        assert run("send", *peer(address.port), files)[:2] == (0, "5\tB000\tcoercion of data elements\n")


def test_some_are_sent_and_then_the_peer_goes(run, files):
    calls = []

    async def script(peer):
        calls.append(peer)
        if len(calls) == 1:
            await peer.accept()
            context_id, command, _ = await peer.take_message()
            await peer.respond(context_id, command)
        else:
            await peer.receive()
            await peer.send(Rejection.LOCAL_LIMIT_EXCEEDED.value.encode())

    with scripted(script) as address:
        code, out, err = run("send", *peer(address.port), files)
    assert code == 5
    assert "1\t0000\tsuccess" in out
    assert "local limit exceeded" in err


@pytest.mark.parametrize(
    ("answer", "code"),
    [(Rejection.CALLED_AE_TITLE_NOT_RECOGNIZED.value.encode(), 4), (b"\7\0\0\0\0\4\0\0\0\0", 1)],
)
def test_nothing_is_sent_and_why_shows_in_the_exit_code(run, files, answer, code):
    async def script(peer):
        await peer.receive()
        await peer.send(answer)

    with scripted(script) as address:
        assert run("send", *peer(address.port), files)[0] == code
    assert run("send", "127.0.0.1", 1, files)[0] == 3


def test_thousands_of_failures_do_not_hide_the_summary(run, tmp_path):
    for number in range(30):
        write_file(tmp_path, f"1.2.{number}")
    code, out, err = run("send", "127.0.0.1", 1, tmp_path)
    assert (code, out.count("\n"), err.count("not tried")) == (3, 1, 20)
    assert "further files that were not sent are counted only" in err


def test_what_cannot_be_sent_at_all(run, tmp_path):
    assert "there is no such file" in run("send", "127.0.0.1", 1, tmp_path / "gone")[2]
    (tmp_path / "x").write_text("no")
    assert "no DICOM file among the 1 files" in run("send", "127.0.0.1", 1, tmp_path)[2]
    (tmp_path / "DICOMDIR").write_text("no")
    code, _, err = run("send", "127.0.0.1", 1, tmp_path / "DICOMDIR")
    assert (code, "a DICOMDIR cannot be used" in err) == (1, True)
    (tmp_path / "x").write_text("no\n")
    code, _, err = run("send", "127.0.0.1", 1, "--resume", tmp_path / "x", tmp_path)
    assert (code, "is no journal" in err) == (1, True)


def test_a_peer_that_drops_who_proposes_a_window_is_asked_without(run, files):
    async def script(peer):
        request = await peer.receive()
        windows.append(request.user_information.asynchronous_operations_window)
        if windows[-1] is None:
            await peer.send(negotiate(request, NegotiationPolicy()).encode())
            await peer.serve()

    windows = []
    with scripted(script) as address:
        code, _, err = run("send", *peer(address.port, files))
    assert code == 0
    assert "5 files sent" in err
    assert [window and window.invoked for window in windows] == [16, None]

"""port104 sends real files to foreign receivers: what they keep is what was sent, as pydicom reads both.

The files are those of pydicom's wheel and of pydicom-data that can be sent.
"""

import contextlib
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from corpus import corpus
from corpus_senders import INVALID_UID, MEDIA_DIRECTORY, STORESCU_OPTIONS
from engine_process import engine, free_port
from orthanc_process import orthanc
from peers import find_peer
from stored import data_set_of, fingerprint

KNOWN_TO_DCMTK = set(STORESCU_OPTIONS) - {"1.2.840.10008.1.2.1.99"}

COLOR_PALETTE = "1.2.840.10008.5.1.4.39.1"  # which DCMTK's receiver does not take

# What their data sets are called is not what their File Meta Information says: status A900.
UIDS_DIFFER = {"bad_sequence.dcm", "rtplan_truncated.dcm"}

pytestmark = [pytest.mark.peer, pytest.mark.slow, pytest.mark.timeout(300)]


def port104(*arguments):
    """Run a command line; returns its exit code, and what it said."""
    command = [sys.executable, "-m", "port104", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout, done.stderr


def wait_until_listening(port):
    deadline = time.monotonic() + 20
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        assert time.monotonic() < deadline
        time.sleep(0.01)


@contextlib.contextmanager
def storescp(folder, *options):
    """DCMTK's receiver, which keeps the bytes that come; its port."""
    port = free_port()
    command = [find_peer("storescp"), *options, "-od", str(folder), str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until_listening(port)
        yield port
    finally:
        process.terminate()
        process.wait(20)


def sent_files():
    """One file of each instance, but for what no receiver takes under its name."""
    return list(
        {
            file.sop_instance_uid: file
            for file in corpus()
            if file.sop_class_uid != MEDIA_DIRECTORY and file.sop_instance_uid != INVALID_UID
        }.values()
    )


def prints(files):
    return sorted(fingerprint(file.data_set + b"\0" * (len(file.data_set) % 2)) for file in files)


def test_our_own_receiver_keeps_every_byte(tmp_path):
    files = [file for file in sent_files() if file.path.name not in UIDS_DIFFER]
    with engine(tmp_path / "storage") as server:
        code, out, err = port104(
            "send", "127.0.0.1", server.port, "-aec", "PORT104", *(file.path for file in files)
        )
        assert (code, out) == (0, f"{len(files)}\t0000\tsuccess\n"), err
        assert sorted(fingerprint(data_set_of(path)) for path in server.stored_files()) == prints(files)


@pytest.mark.parametrize("associations", [1, 4])
def test_dcmtk_keeps_every_byte(tmp_path, associations):
    files = [
        file
        for file in sent_files()
        if file.transfer_syntax_uid in KNOWN_TO_DCMTK and file.sop_class_uid != COLOR_PALETTE
    ]
    assert len(files) > 50
    with storescp(tmp_path, "+B", "+xa", "-uf") as port:
        assert port104("echo", "127.0.0.1", port)[0] == 0
        code, out, err = port104(
            "send", "127.0.0.1", port, "--associations", associations, *(file.path for file in files)
        )
        assert (code, out) == (0, f"{len(files)}\t0000\tsuccess\n"), err
    assert sorted(fingerprint(data_set_of(path)) for path in tmp_path.iterdir()) == prints(files)


def test_dcmtk_refuses_what_it_does_not_know(tmp_path):
    (deflated, *_) = [file for file in corpus() if file.transfer_syntax_uid == "1.2.840.10008.1.2.1.99"]
    with storescp(tmp_path) as port:
        code, out, err = port104("send", "127.0.0.1", port, deflated.path)
    assert code == 1
    assert "does not accept SOP class" in out + err


def test_orthanc_and_pynetdicom_take_what_they_can(tmp_path):
    wanted = {"CT_small.dcm", "MR_small.dcm", "JPEG2000.dcm", "rtplan.dcm"}
    files = [file for file in sent_files() if file.path.name in wanted]
    uids = {file.sop_instance_uid for file in files}
    port = free_port()
    with orthanc(tmp_path, free_port(), port) as peer:
        assert port104("echo", "127.0.0.1", port, "-aec", "ORTHANC")[0] == 0
        code, _, err = port104("send", "127.0.0.1", port, "-aec", "ORTHANC", *(one.path for one in files))
        assert code == 0, err
        assert peer.instances() == uids
    folder = tmp_path / "pynetdicom"
    folder.mkdir()
    port = free_port()
    program = Path(__file__).parents[1] / "hostile" / "pynetdicom_acceptor.py"
    process = subprocess.Popen([sys.executable, str(program), str(port), str(folder), "30", "30"])
    try:
        wait_until_listening(port)
        code, _, err = port104("send", "127.0.0.1", port, "-aec", "PORT104", *(one.path for one in files))
        assert code == 0, err
    finally:
        process.terminate()
        process.wait(20)
    assert {path.name for path in folder.iterdir()} == uids

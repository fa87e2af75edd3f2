"""An instance larger than memory ought to hold passes through in a bounded part of it."""

import struct
from pathlib import Path

import pytest

from engine_process import engine
from port104.storage.store import instance_path
from port104.wire.command import Status
from raw_peer import SECONDARY_CAPTURE, message, store_request
from sender import STORAGE_CONTEXT, Sender, element, uid

MIB = 1 << 20
FRAME_BYTES = 4 * MIB
FRAMES = 512
LIMIT_BYTES = 16 * MIB
PDV_BYTES = 256 * 1024

pytestmark = [pytest.mark.alone, pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def server(tmp_path):
    with engine(tmp_path / "storage") as started:
        yield started
        for path in started.stored_files():
            path.unlink()  # pytest keeps the folders of three runs


def head(instance):
    """A multi-frame data set up to the first byte of its Pixel Data."""
    return (
        element(0x0008, 0x0016, b"UI", uid(SECONDARY_CAPTURE))
        + element(0x0008, 0x0018, b"UI", uid(instance))
        + element(0x0028, 0x0008, b"IS", str(FRAMES).encode() + b" " * (len(str(FRAMES)) % 2))
        + struct.pack("<HH2sxxI", 0x7FE0, 0x0010, b"OB", FRAMES * FRAME_BYTES)
    )


def frame(number):
    """A frame of which no stretch occurs in another."""
    return struct.pack("<I", number) * (FRAME_BYTES // 4)


def data_pdu(fragment, *, last=False):
    """A P-DATA-TF PDU with one fragment of a data set (PS3.8 9.3.5)."""
    header = struct.pack(
        ">BxIIBB", 4, len(fragment) + 6, len(fragment) + 2, STORAGE_CONTEXT, 2 if last else 0
    )
    return header + fragment


def send_frames(sender):
    for number in range(FRAMES):
        pixels = frame(number)
        for at in range(0, FRAME_BYTES, PDV_BYTES):
            last = number == FRAMES - 1 and at == FRAME_BYTES - PDV_BYTES
            sender.socket.sendall(data_pdu(pixels[at : at + PDV_BYTES], last=last))


def forget_peak(server):
    """Let VmHWM start again from what is resident now (proc(5), clear_refs)."""
    Path(f"/proc/{server.pid}/clear_refs").write_text("5")


def test_two_gibibytes_pass_through_less_than_sixteen_mebibytes(server):
    with Sender(server.port, timeout=200) as sender:
        assert sender.store("1.2.1", head("1.2.1")) == Status.SUCCESS  # what is loaded once is loaded
        before = server.memory("VmRSS")
        forget_peak(server)
        sender.socket.sendall(message(STORAGE_CONTEXT, store_request("1.2.2")))
        sender.socket.sendall(data_pdu(head("1.2.2")))
        send_frames(sender)
        assert sender.response().status == Status.SUCCESS
        grown = server.memory("VmHWM") - before
        sender.release()
    print(f"grew by {grown / MIB:.1f} MiB")
    assert grown < LIMIT_BYTES
    assert_whole(instance_path(server.folder, "PORT104", "1.2.2"))


def assert_whole(path):
    with path.open("rb") as file:
        start = file.read(144)
        header_bytes = 144 + int.from_bytes(start[140:144], "little")
        file.seek(header_bytes)
        assert file.read(len(head("1.2.2"))) == head("1.2.2")
        for number in range(FRAMES):
            assert file.read(FRAME_BYTES) == frame(number), number
        assert file.read() == b""

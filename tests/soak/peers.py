"""The peers of a soak: real ones, slow ones and broken ones. Each is a function that does one thing and ends.
All but the programs of others come over TLS too.

What a peer was told is stored goes into the accounts; whatever else happens to it does not matter: engines
are restarted and killed under it.
"""

import contextlib
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import trio

from hostile.cases import CASES
from hostile.play import play
from peers import find_peer
from port104.wire.command import Status
from raw_peer import EXPLICIT, SECONDARY_CAPTURE, message, store_request
from sender import STORAGE_CONTEXT, element, image, uid

_GONE = (OSError, EOFError)
_SIZES = (200, 8_000, 60_000, 300_000, 3_000_000)
_WEIGHTS = (4, 8, 4, 3, 1)
_PATIENCE_SECONDS = 4.0
_PROGRAM_SECONDS = 120.0
_DRIP_BYTES, _DRIP_SECONDS = 4_000, 0.1  # far above minimumByteRate, far below what disks take


def new_instance(accounts, chance, size=None):
    """A SOP instance UID that nobody used, and its data set."""
    instance = accounts.new_uid()
    pixels = chance.randbytes(size or chance.choices(_SIZES, _WEIGHTS)[0])
    return instance, image(instance, pixels)


def store(sender, accounts, instance, data_set, message_id=1):
    accounts.sending(instance, data_set)
    if sender.store(instance, data_set, message_id) == Status.SUCCESS:
        accounts.success(instance, data_set)


def steady(door, accounts, chance):
    """A modality: some instances on one association; some again, some with other bytes under the same UID."""
    with contextlib.suppress(*_GONE), door.sender() as sender:
        for number in range(chance.randint(1, 60)):
            instance, data_set = new_instance(accounts, chance)
            store(sender, accounts, instance, data_set, number + 1)
            again = chance.random()
            if again < 0.05:
                store(sender, accounts, instance, data_set)
            elif again < 0.08:
                store(sender, accounts, instance, image(instance, chance.randbytes(500)))
        sender.echo()
        sender.release()


def slow(door, accounts, chance):
    """A peer on a thin line: some KB at a time, then a pause inside the association."""
    with contextlib.suppress(*_GONE), door.sender() as sender:
        instance, data_set = new_instance(accounts, chance, 60_000)
        accounts.sending(instance, data_set)
        stream = message(STORAGE_CONTEXT, store_request(instance), data_set, fragment=16_000)
        for at in range(0, len(stream), _DRIP_BYTES):
            sender.socket.sendall(stream[at : at + _DRIP_BYTES])
            time.sleep(_DRIP_SECONDS)
        if sender.response().status == Status.SUCCESS:
            accounts.success(instance, data_set)
        time.sleep(chance.uniform(0, 3))
        sender.release()


def silent(door, accounts, chance):
    """A peer that falls silent: before, on, or inside an association, until it is given up or goes away."""
    with contextlib.suppress(*_GONE), door.sender(timeout=7.0) as sender:
        instance, data_set = new_instance(accounts, chance, 60_000)
        if chance.random() < 0.5:
            accounts.sending(instance, data_set)
            sender.begin_store(instance, data_set, chance.randrange(60_000))
        with contextlib.suppress(TimeoutError):
            sender.socket.settimeout(chance.uniform(0.1, 7))
            sender.read_pdu()


def breaking(door, accounts, chance):
    """A peer whose connection ends in the middle of an instance: by RST, or by FIN."""
    with contextlib.suppress(*_GONE), door.sender() as sender:
        for _ in range(chance.randint(0, 3)):
            store(sender, accounts, *new_instance(accounts, chance))
        instance, data_set = new_instance(accounts, chance, 300_000)
        accounts.sending(instance, data_set)
        sender.begin_store(instance, data_set, chance.randrange(len(data_set)))
        if chance.random() < 0.5:
            sender.reset()


def hostile(door, accounts, chance):
    """One of the hostile cases."""
    case = chance.choice(CASES)
    with contextlib.suppress(*_GONE, AssertionError, ValueError, trio.BrokenResourceError):
        trio.run(play, case, door.transport(pieces=chance.random() < 0.1), _PATIENCE_SECONDS)


def garbage(door, accounts, chance):
    """Random bytes, from the first one on or on an association."""
    with contextlib.suppress(*_GONE), door.sender(timeout=_PATIENCE_SECONDS) as sender:
        sender.socket.sendall(b"\4\0" + chance.randbytes(chance.randrange(2_000)))
        sender.read_pdu()


def dcmtk(door, accounts, chance):
    """DCMTK's storescu."""
    program = [find_peer("storescu"), "-to", "5", "-ta", "5", "-td", "5", "-v", "-aec", "PORT104"]
    _send_files(program, door, accounts, chance, "Received Store Response (Success)")


def pynetdicom(door, accounts, chance):
    """pynetdicom's storescu."""
    patience = ("-ta", "5", "-td", "5", "-tn", "5")
    program = [sys.executable, "-m", "pynetdicom", "storescu", *patience, "-v", "-aec", "PORT104"]
    _send_files(program, door, accounts, chance, "Received Store Response (Status: 0x0000 - Success)")


def _send_files(program, door, accounts, chance, success):
    """Run a program that sends files in order, and writes `success` for each that was stored."""
    with tempfile.TemporaryDirectory() as folder:
        sent = [new_instance(accounts, chance) for _ in range(chance.randint(1, 8))]
        for number, (instance, data_set) in enumerate(sent):
            accounts.sending(instance, data_set)
            (Path(folder) / f"{number}.dcm").write_bytes(_meta(instance) + data_set)
        files = [str(Path(folder) / f"{number}.dcm") for number in range(len(sent))]
        done = subprocess.run(
            [*program, "127.0.0.1", str(door.port), *files],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_PROGRAM_SECONDS,
            check=False,
        )
        for each in sent[: done.stdout.count(success)]:
            accounts.success(*each)


def _meta(instance):
    """File Meta Information (PS3.10 7.1)."""
    rest = (
        element(0x0002, 0x0001, b"OB", b"\0\1")
        + element(0x0002, 0x0002, b"UI", uid(SECONDARY_CAPTURE))
        + element(0x0002, 0x0003, b"UI", uid(instance))
        + element(0x0002, 0x0010, b"UI", uid(EXPLICIT))
        + element(0x0002, 0x0012, b"UI", uid("1.2.3.4"))
    )
    return bytes(128) + b"DICM" + element(0x0002, 0x0000, b"UL", len(rest).to_bytes(4, "little")) + rest


MIX = {
    steady: 6,
    slow: 4,
    silent: 4,
    breaking: 3,
    hostile: 4,
    garbage: 1,
    dcmtk: 1,
    pynetdicom: 1,
}
"""Each kind, and how many of it are there at a time."""

PLAIN_ONLY = (dcmtk, pynetdicom)
"""Kinds that come through the plain door only."""

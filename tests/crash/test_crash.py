"""kill -9 at any moment under load: what was acknowledged is there, whole, after the restart.

PORT104_CRASH_ROUNDS sets the rounds (`make crash`: 200); PORT104_CRASH_SEED repeats a run's moments.
"""

import hashlib
import os
import random
import threading
import time

import pytest

from engine_process import engine
from port104.wire.command import Status
from sender import Sender, image
from stored import stored_data_set

ROUNDS = int(os.environ.get("PORT104_CRASH_ROUNDS", "20"))
SEED = int(os.environ.get("PORT104_CRASH_SEED", "104"))
ASSOCIATIONS = 8
# Whole in the receive buffer, and carried by an I/O thread.
SIZES = (8 * 1024, 300 * 1024)
LONGEST_ROUND_SECONDS = 0.6

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


class Acknowledged:
    """SOP instance UIDs and what was sent under them, for every instance that got status 0000."""

    def __init__(self):
        self.digests = {}

    def add(self, instance, data_set):
        self.digests[instance] = digest_of(data_set)


def send_until_killed(port, prefix, pixels, acknowledged):
    """Send instances until the connection breaks."""
    number = 0
    try:
        with Sender(port) as sender:
            while True:
                number += 1
                instance = f"{prefix}.{number}"
                data_set = image(instance, pixels[number % len(pixels)])
                if sender.store(instance, data_set) == Status.SUCCESS:
                    acknowledged.add(instance, data_set)
    except (OSError, EOFError):
        return


def run_round(server, number, chance, acknowledged):
    pixels = [chance.randbytes(size) for size in SIZES]
    senders = [
        threading.Thread(
            target=send_until_killed,
            args=(server.port, f"1.2.{number}.{index + 1}", pixels, acknowledged),
        )
        for index in range(ASSOCIATIONS)
    ]
    for sender in senders:
        sender.start()
    # The moment is what is tested, not waited for: any is as good as another.
    time.sleep(chance.uniform(0.01, LONGEST_ROUND_SECONDS))
    server.kill()
    for sender in senders:
        sender.join()


def digest_of(data_set):
    return hashlib.blake2b(data_set or b"").digest()


def lost_or_damaged(folder, acknowledged, checked):
    """Every acknowledged instance that is not on disk as it was sent."""
    return [
        instance
        for instance, digest in acknowledged.digests.items()
        if instance not in checked and digest_of(stored_data_set(folder, instance)) != digest
    ]


def test_nothing_acknowledged_is_lost(tmp_path):
    chance = random.Random(SEED)
    acknowledged = Acknowledged()
    checked = set()
    print(f"seed {SEED}, {ROUNDS} rounds")
    for number in range(1, ROUNDS + 1):
        with engine(tmp_path) as server:
            run_round(server, number, chance, acknowledged)
        with engine(tmp_path) as server:
            assert server.part_files() == []
            assert lost_or_damaged(tmp_path, acknowledged, checked) == []
            checked.update(acknowledged.digests)
            with Sender(server.port) as sender:
                instance = f"1.3.{number}"
                data_set = image(instance, b"next")
                assert sender.store(instance, data_set) == Status.SUCCESS
                acknowledged.add(instance, data_set)
                sender.release()
            server.kill()
    assert len(acknowledged.digests) > ROUNDS * ASSOCIATIONS
    print(f"{len(acknowledged.digests)} instances acknowledged, none lost")
    with engine(tmp_path) as server:  # and those of early rounds were not lost later
        assert lost_or_damaged(tmp_path, acknowledged, set()) == []

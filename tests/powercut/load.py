"""What is sent to an engine whose power is cut."""

import contextlib
import os
import random
import threading

from ledger import KEEP, OVERWRITE
from port104.wire.pdu import AsynchronousOperationsWindow, UserInformation
from raw_peer import message, store_request
from sender import STORAGE_CONTEXT, Sender, image

# Taken whole from the receive buffer; collected from several; spliced. And such that all go into the journal.
SIZES = (2_000, 2_000, 40_000, 2_000, 200_000)
SMALL_SIZES = (2_000, 300, 2_000, 20_000)
# A sender that is not cut off by then is done: the cut may come at a time when nobody sends.
MOST_INSTANCES = 400
# Instances that one sender may have under way.
WINDOW = 4


# ---- senders ----


def new_instances(sender, ledger, prefix, chance, sizes):
    """One UID after the other; some are sent again, with the same bytes or with others."""
    for number in range(MOST_INSTANCES):
        instance = f"{prefix}.{number}"
        data_set = image(instance, chance.randbytes(sizes[number % len(sizes)]))
        ledger.store(sender, KEEP, instance, data_set)
        if number % 3 == 1:
            ledger.store(sender, KEEP, instance, data_set + bytes(2))
        if number % 4 == 1:
            ledger.store(sender, KEEP, instance, data_set)


def versions(sender, ledger, prefix, chance, sizes):
    """New bytes for few UIDs again and again, which replace the last; now and then the same twice."""
    for number in range(MOST_INSTANCES):
        instance = f"{prefix}.{number % 3}"
        data_set = image(instance, chance.randbytes(sizes[number % len(sizes)]))
        for _ in range(1 + (number % 5 == 4)):
            ledger.store(sender, OVERWRITE, instance, data_set)


def versions_under_way(sender, ledger, prefix, chance, sizes):
    """As `versions`, but the next are sent before the first is answered; bytes that nobody sent before."""
    for number in range(MOST_INSTANCES // WINDOW):
        instance = f"{prefix}.{number % 2}"
        under_way = {}
        for message_id in range(1, 1 + WINDOW):
            data_set = image(instance, os.urandom(sizes[0]))
            under_way[message_id] = ledger.note(sender, OVERWRITE, instance, data_set)
            request = store_request(instance, message_id)
            sender.socket.sendall(message(STORAGE_CONTEXT, request, data_set))
        while under_way:
            response = sender.response()
            ledger.answered(under_way.pop(response.message_id_being_responded_to), response.status)


# Two of a kind with one prefix and one seed send the same at about the same time.
SENDERS = (
    (new_instances, "1", KEEP),
    (new_instances, "2", KEEP),
    (new_instances, "3", KEEP),
    (new_instances, "3", KEEP),
    (versions, "4", OVERWRITE),
    (versions, "5", OVERWRITE),
    (versions, "5", OVERWRITE),
    (versions_under_way, "6", OVERWRITE),
)


def sender_to(port, called):
    """An association with a window."""
    window = AsynchronousOperationsWindow(WINDOW, 1)
    user_information = UserInformation(
        maximum_length=16384, implementation_class_uid="1.2.3.4", asynchronous_operations_window=window
    )
    return Sender(port, called_ae_title=called, user_information=user_information)


def send_until_cut_off(port, ledger, round_number, chance):
    """Send with one, some or all senders at once until the engine is gone, or they are done."""
    seed = chance.random()
    sizes = chance.choice((SIZES, SMALL_SIZES))

    def run(send, number, called):
        with contextlib.suppress(OSError, EOFError), sender_to(port, called) as sender:
            send(sender, ledger, f"1.2.{round_number}.{number}", random.Random(f"{seed} {number}"), sizes)

    senders = chance.sample(SENDERS, chance.choice((1, 3, len(SENDERS))))
    threads = [threading.Thread(target=run, args=arguments) for arguments in senders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

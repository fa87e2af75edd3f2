"""Hold the native scanner and the native picker against their Python twins, over as many inputs as asked.

    make differential INPUTS=2000000

Inputs are made by chance from a seed that is printed; given behind the number, it makes the same again.
Ends with 1 at the first input of which the two do not tell the same, which it prints.
"""

import multiprocessing
import os
import random
import struct
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from port104._native import ffi, lib

import dataset_twin
from native_scanner import Native, announces_data_set, told
from port104.storage.store import ROUTING_TAGS
from scanner_twin import Twin

BATCH = 20_000  # inputs of one seed, from pieces of its own
POOL = 2_000  # pieces that a batch's inputs are put together from

Chance = random.Random


# ---- pieces ----


def pdv(chance: Chance) -> bytes:
    fragment = chance.randbytes(chance.choice((0, 1, 2, 3, 7, 12, 40)))
    wrong = chance.choice((0,) * 15 + (-1, -2, 1, 1 << 30))
    control = chance.choice((3, 3, 1, 0, 2, 2, 0xFF, 0xFC))
    context_id = chance.choice((1, 1, 1, 3))
    return struct.pack(">IBB", max(len(fragment) + 2 + wrong, 0), context_id, control) + fragment


def pdu(chance: Chance) -> bytes:
    if chance.random() < 0.2:  # not P-DATA-TF
        body = chance.randbytes(chance.randrange(12))
        return struct.pack(">BxI", chance.choice((1, 2, 3, 5, 6, 7, 0, 0xAA)), len(body)) + body
    if chance.random() < 0.5:  # a message
        command = chance.randbytes(chance.choice((1, 3, 5, 8)))
        data_set = chance.randbytes(chance.randrange(20))
        pieces = [struct.pack(">IBB", len(command) + 2, 1, 3) + command]
        if announces_data_set(command):
            pieces.append(struct.pack(">IBB", len(data_set) + 2, 1, 2) + data_set)
        return b"".join(struct.pack(">BxI", 4, len(piece)) + piece for piece in pieces)
    body = b"".join(pdv(chance) for _ in range(chance.choice((1, 1, 2, 3))))
    wrong = chance.choice((0,) * 12 + (-3, -1, 1, 2, 6, 1 << 31))
    return struct.pack(">BxI", 4, max(len(body) + wrong, 0)) + body


TAGS = (*ROUTING_TAGS, 0x00080001, 0x00081115, 0x00091001, 0x0020000F, 0x00020010, 0x7FE00010)
VRS = (None, "UI", "CS", "LO", "OB", "SQ", "UN", "ZZ", "Z1", "aa")
DELIMITERS = (dataset_twin.ITEM, dataset_twin.ITEM_DELIMITATION, dataset_twin.SEQUENCE_DELIMITATION)


def element(chance: Chance) -> bytes:
    length = chance.choice((0, 1, 2, 4, 20, 300, dataset_twin.UNDEFINED, dataset_twin.UNDEFINED))
    if chance.random() < 0.4:
        tag = chance.choice(DELIMITERS)
        return struct.pack("<HHI", tag >> 16, tag & 0xFFFF, chance.choice((0, 0, 2, dataset_twin.UNDEFINED)))
    tag, vr = chance.choice(TAGS), chance.choice(VRS)
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF)
    if vr is None:
        head += struct.pack("<I", length)
    elif vr in dataset_twin.SHORT_VRS:
        head += vr.encode() + struct.pack("<H", length & 0xFFFF)
    else:
        head += vr.encode() + struct.pack("<xxI", length)
    return head + chance.randbytes(length if length <= 300 else 0)


def ascending(pieces: list[bytes]) -> list[bytes]:
    """Elements as a data set has them, which else would be unreadable at the second."""
    return sorted(pieces, key=lambda piece: (piece[1], piece[0], piece[3], piece[2]))


def mutated(chance: Chance, data: bytes) -> bytes:
    if chance.random() < 0.6 or not data:
        return data
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 3))):
        changed[chance.randrange(len(changed))] = chance.choice((0, 1, 2, 4, 0xFF, chance.randrange(256)))
    return bytes(changed[: chance.randrange(len(changed) + 1)] if chance.random() < 0.4 else changed)


def cut(chance: Chance, data: bytes) -> list[bytes]:
    places = sorted(chance.randrange(len(data) + 1) for _ in range(chance.choice((0, 1, 2, 5))))
    return [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]


# ---- both sides ----


def scanners_agree(chance: Chance, stream: bytes) -> bool:
    maximum_length = chance.choice((0, 0, 20, 1 << 20))
    expected, fault = Twin(maximum_length, announces_data_set).scan(stream)
    native = Native(maximum_length)
    for piece in cut(chance, stream):
        native.feed(piece)
    return (told(native.runs), native.fault) == (told(expected), fault)


def pickers_agree(chance: Chance, data: bytes) -> bool:
    explicit = chance.random() < 0.7
    picker = ffi.new("p104_picker *")
    lib.p104_picker_start(picker, explicit, TAG_ARRAY, len(ROUTING_TAGS))
    for piece in cut(chance, data):
        lib.p104_pick(picker, piece, len(piece))
    state = lib.p104_picker_end(picker)
    found = {}
    for index in range(picker.count):
        if picker.picked[index].found:
            found[picker.picked[index].tag] = ffi.buffer(
                picker.picked[index].value, picker.picked[index].length
            )[:]
    return (state, found) == dataset_twin.pick(data, explicit=explicit, tags=ROUTING_TAGS)


TAG_ARRAY = ffi.new("uint32_t[]", list(ROUTING_TAGS))


def run_batch(seed: int) -> str | None:
    """Returns what differs, or None."""
    chance = random.Random(seed)
    pdus = [pdu(chance) for _ in range(POOL)]
    elements = [element(chance) for _ in range(POOL)]
    for number in range(BATCH):
        pool, agree = (elements, pickers_agree) if number % 4 == 0 else (pdus, scanners_agree)
        pieces = chance.choices(pool, k=chance.choice((1, 2, 3, 5, 8)))
        if agree is pickers_agree and chance.random() < 0.5:
            pieces = ascending(pieces)
        data = mutated(chance, b"".join(pieces))
        if not agree(chance, data):
            return f"seed {seed}, input {number}: {agree.__name__} is not so for {data.hex()}"
    return None


def main() -> int:
    inputs = int(sys.argv[1])
    first = int(sys.argv[2]) if len(sys.argv) > 2 else random.SystemRandom().randrange(1 << 40)
    seeds = range(first, first + -(-inputs // BATCH))
    start = time.monotonic()
    print(f"seeds from {first}")
    with multiprocessing.Pool(os.cpu_count()) as pool:
        for difference in pool.imap_unordered(run_batch, seeds):
            if difference:
                print(difference)
                pool.terminate()
                return 1
    seconds = time.monotonic() - start
    print(f"{len(seeds) * BATCH} inputs in {seconds:.0f} s: scanner and picker tell what their twins tell")
    return 0


if __name__ == "__main__":
    sys.exit(main())

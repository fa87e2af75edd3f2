"""Files that a thread sends (native/courier.h), several times faster than the loop does.

The loop stays free meanwhile; cancellation breaks the association off, as the thread may be in mid-message.
What came of the files until then is told all the same: no answer that came is forgotten.
"""

import contextlib
import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
import trio

from port104 import native
from port104.net.connection import Connection
from port104.net.outgoing import WholeFile
from port104.wire.association import Association
from port104.wire.command import Command
from port104.wire.operations import store_request
from port104.wire.proposal import Syntaxes

# Each association may have a thread that sends for it, and waits for no other's.
_THREADS = trio.CapacityLimiter(1024)


class Errand(NamedTuple):
    """A C-STORE-RQ with its message ID."""

    context_id: int
    request: Command

    @property
    def message_id(self) -> int:
        """What its response is known by."""
        return self.request.message_id or 0


class Errands(msgspec.Struct, frozen=True):
    """Files made ready. `load`: all that the thread needs for them, in their order."""

    each: list[Errand]
    load: native.Load

    def __len__(self) -> int:
        """How many they are."""
        return len(self.each)


def errands(
    files: Sequence[WholeFile],
    message_ids: Sequence[int],
    contexts: Mapping[Syntaxes, int],
    association: Association,
) -> Errands:
    """Make an errand of each of the first files that have a context. For any thread."""
    made: list[Errand] = []
    parcels: list[native.Parcel] = []
    for file, message_id in zip(files, message_ids, strict=True):
        context_id = contexts.get(file.syntaxes)
        if context_id is None:
            break
        request = store_request(file.syntaxes.abstract_syntax, file.sop_instance_uid)
        request = msgspec.structs.replace(request, message_id=message_id)
        made.append(Errand(context_id, request))
        parcel = native.Parcel(
            path=os.fsencode(file.path),
            size=file.data_set_at + file.size,
            modified=file.modified,
            data_set_at=file.data_set_at,
            command=association.encode_command(context_id, request),
            sop_instance=file.sop_instance_uid.encode("latin-1"),
            message_id=message_id,
            context_id=context_id,
        )
        parcels.append(parcel)
    return Errands(made, native.Load(parcels))


async def run(
    connection: Connection, tasks: Errands, first: int, terms: native.Terms
) -> tuple[list[int | None], int]:
    """Have a thread run errands, from one of them on; the link is its own meanwhile.

    Returns as native.deliver does, when it is cancelled too.
    """
    ends: list[tuple[list[int | None], int]] = []

    async def break_off() -> None:
        with contextlib.suppress(trio.Cancelled):
            await trio.sleep_forever()
        if not ends:
            connection.interrupt()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(break_off)
        end = await trio.to_thread.run_sync(
            native.deliver,
            connection.link,
            tasks.load,
            first,
            terms,
            limiter=_THREADS,
        )
        ends.append(end)
        nursery.cancel_scope.cancel()
    return ends[0]

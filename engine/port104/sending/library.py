"""What `import port104` gives to a program that sends (docs/library.md)."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio
from OpenSSL import SSL

from port104.net.calling import Address, Timeouts
from port104.sending.association import SendingAssociation
from port104.sending.association import associate as associate_by
from port104.sending.data_sets import syntaxes_of
from port104.sending.instance_file import InstanceFile
from port104.wire.items import UserIdentity
from port104.wire.proposal import MOST_CONTEXTS, VERIFICATION, Proposal, Syntaxes

Instance = Path | str | Any
"""A file, or a pydicom.Dataset."""


@asynccontextmanager
async def associate(
    host: str,
    port: int,
    *,
    instances: Iterable[Instance] = (),
    calling_ae_title: str = "PORT104",
    called_ae_title: str = "ANY-SCP",
    tls: SSL.Context | None = None,
    user_identity: UserIdentity | None = None,
    window: int = 1,
    timeouts: Timeouts = Timeouts(),  # noqa: B008 - it is frozen
) -> AsyncIterator[SendingAssociation]:
    """Request an association for C-ECHO, and for C-STORE of instances such as `instances`.

    A presentation context is proposed for each SOP class and transfer syntax among these, and one for
    Verification, as long as there is room. `tls`: as port104.tls_context makes it; None: no TLS. `window`:
    operations outstanding that are proposed (PS3.7 D.3.3.3). The association is released at the end of the
    block, and aborted where that raises.

    Raises ConnectError, RejectedError, AbortedError, TimedOutError; LocalProtocolError where an AE title is
    none, or more than 128 contexts are needed; ValueError and OSError where an instance cannot be sent.
    """
    wanted = await trio.to_thread.run_sync(_wanted, list(instances))
    if len(wanted) < MOST_CONTEXTS:
        wanted = (*wanted, VERIFICATION)
    proposal = Proposal(
        calling_ae_title=calling_ae_title,
        called_ae_title=called_ae_title,
        syntaxes=wanted,
        window=window,
        user_identity=user_identity,
    )
    async with associate_by(Address(host, port, tls), proposal, timeouts) as association:
        yield association


def _wanted(instances: Sequence[Instance]) -> tuple[Syntaxes, ...]:
    return tuple(dict.fromkeys(map(_syntaxes, instances)))


def _syntaxes(instance: Instance) -> Syntaxes:
    if not isinstance(instance, Path | str):
        return syntaxes_of(instance)
    file = InstanceFile(Path(instance))
    file.close()
    return file.syntaxes

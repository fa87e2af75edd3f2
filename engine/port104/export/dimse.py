"""Destinations that are sent to by C-STORE: what goes wrong there, in the words that delivery decides by."""

import math
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import islice
from pathlib import Path

import msgspec
import trio
from OpenSSL import SSL

from port104 import uids
from port104.errors import (
    AssociationError,
    ConfigurationError,
    LocalProtocolError,
    NotAcceptedError,
    StatusError,
    Suspect,
)
from port104.export.committing import Hear
from port104.export.contracts import BrokenOffError, NotProposedError, UnreachableError, UnsendableError
from port104.export.converting import Converter
from port104.export.files import opened
from port104.export.recording import MOST_NOTED
from port104.export.verdicts import Answer, Answered, BrokenOff
from port104.net.calling import Address, Timeouts
from port104.net.hearing import Heard
from port104.net.requestor import Requestor, Sent, associate
from port104.net.verification import suspect_of, verify
from port104.registry.entries import Destination
from port104.sending.candidates import Candidate, look_at
from port104.sending.instance_file import InstanceFile
from port104.sending.offering import associate_with_window
from port104.storage.lossless import LOSSLESS
from port104.wire.command import Status
from port104.wire.commitment import (
    CommitmentRequest,
    UnreadableError,
    decode_report,
    encode_request,
)
from port104.wire.operations import action_request
from port104.wire.proposal import VERIFICATION, Proposal, Syntaxes, shares

_OF_COMMITMENT = tuple(
    Syntaxes(uids.STORAGE_COMMITMENT, transfer_syntax)
    for transfer_syntax in (uids.IMPLICIT_VR_LITTLE_ENDIAN, uids.EXPLICIT_VR_LITTLE_ENDIAN)
)
# An association is kept for a report: most that use it report at once.
_REPORT_SECONDS = 15.0
# Explicit first: it keeps the VRs of private elements.
_NATIVE = (uids.EXPLICIT_VR_LITTLE_ENDIAN, uids.IMPLICIT_VR_LITTLE_ENDIAN)
# A person waits, and a request to the API has 30 s in all.
_AT_ONCE = Timeouts(connect=6.0, associate=6.0, send=6.0, response=6.0)


class Verification(msgspec.Struct, frozen=True, rename="camel"):
    """What came of a C-ECHO to a destination; of OPTIONS, where it is a web server.

    `wrong`: what is to be looked at, and `reason`: why, in words; null and empty where it answered with
    success. Seconds of the association's establishment (the connection's), TLS included, and of the C-ECHO.
    """

    destination: str
    answered: bool
    wrong: Suspect | None = None
    reason: str = ""
    association_seconds: float | None = None
    echo_seconds: float | None = None


class DimseCaller(msgspec.Struct, frozen=True, kw_only=True):
    """Opens associations with destinations; `open` is a contracts.OpenPeer.

    `tls`: makes what they are called with over TLS; called in a worker thread, it raises ConfigurationError.
    """

    calling_ae_title: str
    tls: Callable[[], SSL.Context]
    timeouts: Timeouts = Timeouts()

    @asynccontextmanager
    async def open(self, destination: Destination, paths: Sequence[Path]) -> AsyncIterator["DimsePeer"]:
        """As the contract says."""
        async with AsyncExitStack() as stack:
            try:
                proposal = self._proposal(destination, await trio.to_thread.run_sync(_syntaxes_of, paths))
                proposal = msgspec.structs.replace(proposal, window=destination.window)
                address = await self._address(destination)
                requestor = await stack.enter_async_context(
                    associate_with_window(address, proposal, self.timeouts)
                )
            except (AssociationError, ConfigurationError, LocalProtocolError) as fault:
                raise UnreachableError(str(fault)) from fault
            converter = Converter()
            stack.push_async_callback(converter.close)
            yield DimsePeer(requestor, frozenset(proposal.syntaxes), converter)

    async def ask(self, destination: Destination, request: CommitmentRequest, hear: Hear) -> None:
        """Ask it by N-ACTION whether it holds instances; a committing.Ask."""
        proposal = Proposal(
            calling_ae_title=self.calling_ae_title,
            called_ae_title=destination.ae_title,
            syntaxes=_OF_COMMITMENT,
        )
        try:
            address = await self._address(destination)
            async with associate(address, proposal, self.timeouts) as requestor:
                syntaxes = requestor.first_of(_OF_COMMITMENT)
                data = encode_request(request, syntaxes.transfer_syntax)
                (await requestor.invoke(syntaxes, action_request(), data)).check()
                await _hear_report(requestor, syntaxes, hear)
        except (
            AssociationError,
            ConfigurationError,
            LocalProtocolError,
            NotAcceptedError,
            StatusError,
        ) as fault:
            raise UnreachableError(str(fault)) from fault

    async def verify(self, destination: Destination) -> Verification:
        """Ask it by C-ECHO, as it is called for results; takes half a minute at most."""
        proposal = self._proposal(destination, ())
        try:
            found = await verify(await self._address(destination), proposal, _AT_ONCE)
        except (AssociationError, ConfigurationError, NotAcceptedError, StatusError) as fault:
            return Verification(destination.name, answered=False, wrong=suspect_of(fault), reason=str(fault))
        return Verification(
            destination.name,
            answered=True,
            association_seconds=round(found.associated, 4),
            echo_seconds=round(found.answered, 4),
        )

    def _proposal(self, destination: Destination, syntaxes: Sequence[Syntaxes]) -> Proposal:
        return Proposal(
            calling_ae_title=self.calling_ae_title,
            called_ae_title=destination.ae_title,
            # A further one would not fit, and is proposed by the next association.
            syntaxes=shares([*(syntaxes or (VERIFICATION,)), *_instead_of(destination, syntaxes)])[0],
        )

    async def _address(self, destination: Destination) -> Address:
        context = await trio.to_thread.run_sync(self.tls) if destination.tls else None
        return Address(destination.host, destination.port, context)


class DimsePeer:
    """An association; a contracts.Peer. `proposed`: what it was made for.

    `converter`: converts what the peer takes in a native transfer syntax only, where that was proposed.
    """

    def __init__(self, requestor: Requestor, proposed: frozenset[Syntaxes], converter: Converter) -> None:
        self._requestor = requestor
        self._proposed = proposed
        self._converter = converter

    async def store(self, paths: Iterable[Path]) -> Sequence[Answer | None]:
        """As the contract says: those together that are sent as they are, and are no long work."""
        # No more than are sent again after a kill otherwise.
        first = [*islice(paths, MOST_NOTED)]
        try:
            files = await trio.to_thread.run_sync(_plain_of, first)
            sent = await self._requestor.store_files(files)
        except AssociationError as end:
            raise BrokenOffError(str(end)) from end
        return _answers_in(sent) or [await self._store_singly(first[0])]

    async def _store_singly(self, path: Path) -> Answer:
        file = await trio.to_thread.run_sync(opened, path)
        try:
            if file.syntaxes not in self._proposed:
                raise NotProposedError(f"{file.syntaxes} was not proposed")
            native = self._native_for(file.syntaxes)
            return await (self._send(file) if native is None else self._convert_and_send(path, native))
        finally:
            file.close()

    def _native_for(self, syntaxes: Syntaxes) -> str | None:
        """The transfer syntax that it has to be converted to; None: it is sent, or refused, as it is."""
        if self._accepts(syntaxes) or syntaxes.transfer_syntax not in LOSSLESS:
            return None
        return next(
            (each for each in _NATIVE if self._accepts(syntaxes._replace(transfer_syntax=each))), None
        )

    def _accepts(self, syntaxes: Syntaxes) -> bool:
        try:
            self._requestor.context_of(syntaxes)
        except NotAcceptedError:
            return False
        return True

    async def _convert_and_send(self, path: Path, transfer_syntax: str) -> Answer:
        async with self._converter.converted(path, transfer_syntax) as converted:
            file = await trio.to_thread.run_sync(opened, converted)
            try:
                return await self._send(file)
            finally:
                file.close()

    async def _send(self, file: InstanceFile) -> Answer:
        try:
            return Answered((await self._requestor.store(file)).status)
        except NotAcceptedError as refusal:
            raise UnsendableError(str(refusal), final=False) from refusal
        except AssociationError as end:
            raise BrokenOffError(str(end)) from end
        except (OSError, LocalProtocolError) as failure:
            # In the middle of it, so that the association had to be aborted.
            raise BrokenOffError(f"its file cannot be read on: {failure}") from failure

    async def echo(self) -> None:
        """As the contract says."""
        try:
            (await self._requestor.echo()).check()
        except (AssociationError, NotAcceptedError, StatusError) as failure:
            raise BrokenOffError(f"C-ECHO: {failure}") from failure


async def _hear_report(requestor: Requestor, syntaxes: Syntaxes, hear: Hear) -> None:
    """Hear the report, where it comes on the association on which was asked; else it comes on another."""
    try:
        heard = await requestor.hear(_REPORT_SECONDS)
        if heard is None:
            return
        status = await _status_of(heard, syntaxes, hear)
        await requestor.answer(heard, status)
    except AssociationError:
        return  # it was asked, and may say so on another one


async def _status_of(heard: Heard, syntaxes: Syntaxes, hear: Hear) -> Status:
    if heard.data is None:
        return Status.RESOURCE_LIMITATION
    try:
        report = await trio.to_thread.run_sync(decode_report, heard.data, syntaxes.transfer_syntax)
    except UnreadableError as fault:
        return fault.status
    return await hear(report)


def _instead_of(destination: Destination, syntaxes: Iterable[Syntaxes]) -> Iterator[Syntaxes]:
    """What is proposed beside, so that what is refused can be converted to it."""
    if destination.conversion == "lossless":
        for each in syntaxes:
            if each.transfer_syntax in LOSSLESS:
                yield from (each._replace(transfer_syntax=native) for native in _NATIVE)


def _plain_of(paths: Sequence[Path]) -> list[Candidate]:
    """The first ones, up to one that cannot be sent, which says so when it is its turn."""
    files: list[Candidate] = []
    for found in look_at(paths):
        if not isinstance(found, Candidate):
            break
        files.append(found)
    return files


def _answers_in(sent: Sent) -> list[Answer | None]:
    answers: list[Answer | None] = [
        None if response is None else Answered(response.status) for response in sent.responses
    ]
    # Where we end it, for a stop, none of them has.
    if sent.end is not None and answers.count(None) == 1 and not _is_cancelled():
        answers[answers.index(None)] = BrokenOff(str(sent.end))
    return answers


def _is_cancelled() -> bool:
    return trio.current_effective_deadline() == -math.inf


def _syntaxes_of(paths: Sequence[Path]) -> list[Syntaxes]:
    """What the files need; those that cannot be sent say so when it is their turn."""
    return [found.syntaxes for found in look_at(paths) if isinstance(found, Candidate)]

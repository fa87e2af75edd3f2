"""How many instances an archive has of studies and series: Study Root, C-FIND (PS3.4 C.6.2)."""

from collections.abc import Callable, Iterable, Mapping, Sequence

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
)
from port104.jobs.grouping import SERIES_INSTANCE_UID, STUDY_INSTANCE_UID, GroupingRule, announced_by
from port104.jobs.inquiring import Question
from port104.net.calling import Address, Timeouts
from port104.net.requestor import Requestor, associate
from port104.registry.entries import Destination
from port104.storage.reading import elements_in
from port104.wire.proposal import Proposal, Syntaxes
from port104.wire.query import Key, encode_identifier

_QUERY_RETRIEVE_LEVEL = 0x00080052
# The default of PS3.5 10.1 first; some archives are set up to refuse it.
_PROPOSED = tuple(
    Syntaxes(uids.STUDY_ROOT_FIND, transfer_syntax)
    for transfer_syntax in (uids.IMPLICIT_VR_LITTLE_ENDIAN, uids.EXPLICIT_VR_LITTLE_ENDIAN)
)


class UnaskedError(Exception):
    """An archive could not be asked, or its association ended before it had answered; the text says why."""


class Count(msgspec.Struct, frozen=True):
    """What an archive answered. `number`: how many instances there are; None: it does not say.

    `fault`: the status that it answered instead, in words; empty: none.
    """

    number: int | None
    fault: str = ""


class DimseCounter(msgspec.Struct, frozen=True, kw_only=True):
    """Asks archives, which are destinations of the registry.

    `tls`: makes what they are called with over TLS; called in a worker thread, it raises ConfigurationError.
    """

    calling_ae_title: str
    tls: Callable[[], SSL.Context]
    timeouts: Timeouts = Timeouts(connect=10.0, associate=10.0, send=10.0, response=30.0)

    async def count(self, archive: Destination, questions: Sequence[Question]) -> list[Count]:
        """Ask all the questions over one association, one after the other. Raises UnaskedError."""
        if archive.url is not None:
            raise UnaskedError("it is a web server, which is not asked: name a destination with an AE title")
        try:
            context = await trio.to_thread.run_sync(self.tls) if archive.tls else None
            address = Address(archive.host, archive.port, context)
            proposal = Proposal(
                calling_ae_title=self.calling_ae_title, called_ae_title=archive.ae_title, syntaxes=_PROPOSED
            )
            async with associate(address, proposal, self.timeouts) as requestor:
                syntaxes = requestor.first_of(_PROPOSED)
                return [await _count(requestor, syntaxes, question) for question in questions]
        except (AssociationError, ConfigurationError, LocalProtocolError, NotAcceptedError) as fault:
            raise UnaskedError(str(fault)) from fault


async def _count(requestor: Requestor, syntaxes: Syntaxes, question: Question) -> Count:
    keys, rule = _keys_of(question), rule_of(question)
    try:
        found = await requestor.find(syntaxes, encode_identifier(keys, syntaxes.transfer_syntax))
    except StatusError as failure:
        return Count(None, str(failure))
    wanted = {key.tag: key.value.encode("ascii") for key in keys if key.vr == "UI"}
    # An archive may answer with megabytes, and pydicom takes 0.1 s when it is imported.
    numbers = await trio.to_thread.run_sync(numbers_in, found, syntaxes.transfer_syntax, wanted, rule)
    if numbers and not any(numbers):
        level = keys[0].value.lower()
        return Count(None, f"it knows the {level}, and does not say how many instances that has")
    return Count(max((number for number in numbers if number), default=None))


def rule_of(question: Question) -> GroupingRule:
    """The grouping that the question is about."""
    of_study = question.series_instance_uid is None
    return GroupingRule(tag=STUDY_INSTANCE_UID if of_study else SERIES_INSTANCE_UID)


def _keys_of(question: Question) -> list[Key]:
    """The identifier of the query (PS3.4 C.6.2.1.2): the unique keys down to its level, and the number."""
    study, series = question
    number = Key(rule_of(question).announced_in or 0, "IS")
    if series is None:
        return [Key(_QUERY_RETRIEVE_LEVEL, "CS", "STUDY"), Key(STUDY_INSTANCE_UID, "UI", study), number]
    return [
        Key(_QUERY_RETRIEVE_LEVEL, "CS", "SERIES"),
        Key(STUDY_INSTANCE_UID, "UI", study),
        Key(SERIES_INSTANCE_UID, "UI", series),
        number,
    ]


def numbers_in(
    found: Iterable[bytes], transfer_syntax: str, wanted: Mapping[int, bytes], rule: GroupingRule
) -> list[int | None]:
    """What those matches state that are what was asked about; None: nothing."""
    numbers = []
    for identifier in found:
        elements = elements_in(identifier, transfer_syntax, {*wanted, *rule.tags})
        if all(elements.get(tag, uid).strip(b"\0 ") == uid for tag, uid in wanted.items()):
            numbers.append(announced_by(rule, elements))
    return numbers

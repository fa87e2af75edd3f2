"""What archives answer to how many instances there are, over sockets."""

import struct

import msgspec
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from port104 import uids
from port104.dispatch import counting
from port104.dispatch.counting import Count, DimseCounter, UnaskedError
from port104.errors import ConfigurationError
from port104.jobs.inquiring import Question
from port104.net.calling import Timeouts
from port104.registry.entries import Destination
from port104.wire.command import CommandField, response_to
from port104.wire.negotiation import Rejection
from port104.wire.pdu import PDV, PDataTF
from port104.wire.query import Key, encode_identifier
from scripted_acceptor import acceptor

IMPLICIT, EXPLICIT = uids.IMPLICIT_VR_LITTLE_ENDIAN, uids.EXPLICIT_VR_LITTLE_ENDIAN
LEVEL, STUDY, SERIES, OF_STUDY, OF_SERIES = 0x00080052, 0x0020000D, 0x0020000E, 0x00201208, 0x00201209
QUESTION = Question("1.2")


def fail():
    raise ConfigurationError("there is no such certificate")


def match(number, study="1.2", syntax=IMPLICIT, tag=OF_STUDY, **more):
    """The identifier of a match; `number` None: it is left out."""
    keys = [Key(STUDY, "UI", study), Key(0x00100010, "PN", "Doe^Jane")]
    keys += [Key(tag, "IS", number)] if number is not None else []
    keys += [Key(SERIES, "UI", more["series"])] if more else []
    return encode_identifier(keys, syntax)


class Archive:
    """Answers each query with the next of `answers`: identifiers, or a status."""

    def __init__(self, *answers, refused=()):
        self.answers = list(answers)
        self.refused = refused
        self.asked = []

    async def __call__(self, peer):
        request = await peer.accept_all(refused=self.refused)
        assert (request.calling_ae_title, request.called_ae_title) == ("ENGINE", "ARCHIVE")
        for answer in self.answers:
            context_id, command, identifier = await peer.take_message()
            assert command.field == CommandField.C_FIND_RQ
            self.asked.append(identifier)
            if isinstance(answer, int):
                await peer.respond(context_id, command, answer)
                continue
            pending = msgspec.structs.replace(response_to(command, 0xFF00), has_data_set=True)
            for each in answer:
                for control, data in ((3, pending.encode()), (2, each)):
                    await peer.send(PDataTF((PDV(context_id, control, data),)).encode())
            await peer.respond(context_id, command)
        await peer.serve()


async def counted(archive, *questions, tls=False):
    """What is counted; why nothing is."""
    async with acceptor(archive) as address:
        entry = Destination(name="PACS", ae_title="ARCHIVE", host="127.0.0.1", port=address.port, tls=tls)
        counter = DimseCounter(
            calling_ae_title="ENGINE",
            tls=fail,
            timeouts=Timeouts(connect=5, associate=5, send=5, response=0.5),
        )
        try:
            return await counter.count(entry, questions)
        except UnaskedError as failure:
            return str(failure)


async def test_a_study_is_asked_about():
    archive = Archive([match("300 ")])
    assert await counted(archive, QUESTION) == [Count(300)]
    keys = [Key(LEVEL, "CS", "STUDY"), Key(STUDY, "UI", "1.2"), Key(OF_STUDY, "IS")]
    assert archive.asked == [encode_identifier(keys, IMPLICIT)]


async def test_a_series_is_asked_about():
    archive = Archive([match("30", tag=OF_SERIES, series="1.2.3")])
    assert await counted(archive, Question("1.2", "1.2.3")) == [Count(30)]
    keys = [Key(LEVEL, "CS", "SERIES"), Key(STUDY, "UI", "1.2"), Key(SERIES, "UI", "1.2.3")]
    assert archive.asked == [encode_identifier([*keys, Key(OF_SERIES, "IS")], IMPLICIT)]


async def test_an_archive_without_the_default_is_asked_in_explicit_vr():
    archive = Archive([match("7", syntax=EXPLICIT)], refused=[IMPLICIT])
    assert await counted(archive, QUESTION) == [Count(7)]
    assert b"UI" in archive.asked[0]


SILENT = Count(None, "it knows the study, and does not say how many instances that has")


@pytest.mark.parametrize(
    ("answer", "count"),
    [
        ([], Count(None)),
        ([match("5"), match("6", study="1.3")], Count(5)),
        ([match("6", study="1.3")], Count(None)),
        ([match("5"), match("6"), match(None)], Count(6)),
        ([match(None)], SILENT),
        ([match("")], SILENT),
        ([match("many")], SILENT),
        ([match("0")], SILENT),
        ([match("-5")], SILENT),
        ([b"\xff" * 100], SILENT),
        (0xA700, Count(None, "the peer answered status A700: refused: out of resources")),
        (0xFE00, Count(None, "the peer answered status FE00: cancel")),
    ],
)
async def test_whatever_it_answers_the_next_question_is_asked(answer, count):
    assert await counted(Archive(answer, [match("9")]), QUESTION, QUESTION) == [count, Count(9)]


def raw(tag, length, value=b"", vr=None):
    """An element that states what it likes."""
    start = struct.pack("<HH", tag >> 16, tag & 0xFFFF)
    if vr is None:
        return start + struct.pack("<I", length) + value
    return start + vr + struct.pack("<H", length & 0xFFFF) + value


UNDEFINED = 0xFFFFFFFF
IS_IT = raw(STUDY, 4, b"1.2\0")
NESTED = b"".join(raw(tag, UNDEFINED) for tag in [0x00081140, 0xFFFEE000] * 2_000)


@pytest.mark.parametrize(
    "identifier",
    [
        IS_IT + raw(OF_STUDY, UNDEFINED, b"5 "),
        IS_IT + raw(OF_STUDY, 0xFFFFFFF0, b"5 "),
        IS_IT + raw(OF_STUDY, 2),
        IS_IT + raw(OF_STUDY, 4, b"3\\4 "),
        IS_IT + raw(OF_STUDY, 400, b"9" * 400),
        IS_IT + raw(OF_STUDY, 4, b"\0\0\0\0"),
        IS_IT + raw(OF_STUDY, 4, "5\u0662".encode() + b" "),
        NESTED + raw(OF_STUDY, 2, b"5 "),
        raw(OF_STUDY, 2, b"5 ") * 5_000,
        raw(0xFFFEE00D, 0) * 5_000,
        raw(STUDY, 4, b"1.2\0", b"UI") + raw(OF_STUDY, 2, b"5 ", b"IS"),
        raw(STUDY, UNDEFINED) + raw(0xFFFEE000, 4, b"1.2\0") + raw(0xFFFEE0DD, 0),
    ],
    ids=range(12),
)
async def test_what_a_malicious_archive_answers_holds_up_nobody(identifier):
    with trio.fail_after(5):
        first, second = await counted(Archive([identifier], [match("9")]), QUESTION, QUESTION)
    assert (first.number in (None, 5), second) == (True, Count(9))


elements = st.builds(
    raw,
    st.sampled_from([STUDY, OF_STUDY, LEVEL, 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD, 0x00081140, 0x7FE00010]),
    st.sampled_from([0, 1, 2, 4, 0x7FFFFFFF, 0xFFFFFFF0, UNDEFINED]) | st.integers(0, UNDEFINED),
    st.binary(max_size=12) | st.sampled_from([b"1.2\0", b"5 "]),
    st.sampled_from([None, b"UI", b"IS", b"SQ", b"UN", b"OB", b"\xff\xff"]),
)


@given(st.lists(st.lists(elements, max_size=6).map(b"".join) | st.binary(max_size=60), max_size=3))
def test_no_answer_is_a_fault_of_ours(identifiers):
    rule = counting.rule_of(QUESTION)
    for syntax in (IMPLICIT, EXPLICIT):
        numbers = counting.numbers_in(identifiers, syntax, {STUDY: b"1.2"}, rule)
        assert all(each is None or each > 0 for each in numbers)


@pytest.mark.parametrize(
    ("archive", "words"),
    [
        (Archive(refused=[IMPLICIT, EXPLICIT]), "does not accept SOP class 1.2.840.10008.5.1.4.1.2.2.1"),
        (Archive([bytes(100_000)]), "broke the protocol"),
    ],
)
async def test_an_archive_that_does_not_answer_says_why(archive, words):
    assert words in await counted(archive, QUESTION)


async def test_an_archive_that_rejects_goes_or_is_silent():
    async def reject(peer):
        await peer.receive()
        await peer.send(Rejection.CALLING_AE_TITLE_NOT_RECOGNIZED.value.encode())

    async def go(peer):
        await peer.accept_all()
        await peer.take_message()

    async def hang(peer):
        await peer.accept_all()
        await trio.sleep_forever()

    for script, words in ((reject, "calling AE title"), (go, "lost"), (hang, "no response within 0.5 s")):
        assert words in await counted(script, QUESTION)


async def test_without_the_files_for_tls_it_is_not_called():
    assert await counted(Archive(), QUESTION, tls=True) == "there is no such certificate"


async def test_a_web_server_is_not_asked():
    counter = DimseCounter(calling_ae_title="ENGINE", tls=fail)
    with pytest.raises(UnaskedError, match="it is a web server, which is not asked"):
        await counter.count(Destination(name="WEB", url="http://127.0.0.1:1"), [])

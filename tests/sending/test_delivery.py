"""Many files to one peer: each has one outcome, over associations that come and go."""

import contextlib
from collections import Counter
from pathlib import Path

import pytest
import trio

from acceptor_service import serving
from part10_files import data_set, descriptors, write_file
from port104.errors import AbortedError, AssociationError, ConnectError, RejectedError
from port104.net.calling import Address
from port104.net.requestor import Sent, associate
from port104.sending.candidates import Candidate, look_at
from port104.sending.delivery import deliver
from port104.wire.operations import Response
from port104.wire.proposal import Proposal, Syntaxes
from scripted_acceptor import QUICK
from stored import data_set_of


class Books:
    """Takes down outcomes by instance."""

    def __init__(self):
        self.outcomes = {}

    def report(self, outcome):
        uid = outcome.candidate.sop_instance_uid
        assert uid not in self.outcomes
        self.outcomes[uid] = outcome

    def statuses(self):
        return Counter(one.response.status if one.response else one.why for one in self.outcomes.values())


class Peer:
    """Answers from memory; `answer` may raise. `plain`: files go by the batch."""

    def __init__(self, answer, *, plain=True):
        self.answer = answer
        self.plain = plain

    async def prepare(self, files):
        await trio.lowlevel.checkpoint()
        return list(files) if self.plain else []

    async def store_prepared(self, files, first, window):
        """As with a window that is filled before the first response comes."""
        await trio.lowlevel.checkpoint()
        responses = []
        files = files[first:]
        for number, file in enumerate(files):
            try:
                responses.append(Response(1, self.answer(file.sop_instance_uid)))
            except AssociationError as end:
                return Sent([*responses, *[None] * min(window, len(files) - number)], end)
            except OSError:
                break
        return Sent(responses)

    async def store(self, file):
        await trio.lowlevel.checkpoint()
        return Response(1, self.answer(file.sop_instance_uid))


@pytest.fixture
def candidates(tmp_path):
    return list(look_at(write_file(tmp_path, f"1.2.{number}") for number in range(100)))


@pytest.fixture(autouse=True)
def no_descriptor_stays_open():
    before = descriptors()
    yield
    assert descriptors() == before


def associations(answer, counted=None, limit=99, *, plain=True):
    """Gives associations with peers that `answer`."""

    @contextlib.asynccontextmanager
    async def give(syntaxes):
        if counted is not None:
            counted.append(syntaxes)
            if len(counted) > limit:
                raise RejectedError("local limit exceeded", transient=True)
        await trio.lowlevel.checkpoint()
        yield Peer(answer, plain=plain)

    return give


@pytest.mark.parametrize("number", [1, 3])
@pytest.mark.parametrize("window", [1, 4])
async def test_each_is_stored_once(tmp_path, candidates, number, window):
    large = list(look_at([write_file(tmp_path, "1.3", 3_000_000)]))
    books = Books()

    def call(syntaxes):
        proposal = Proposal(
            calling_ae_title="US", called_ae_title="PORT104", syntaxes=syntaxes, window=window
        )
        return associate(Address("127.0.0.1", service.port), proposal, QUICK)

    async with serving(tmp_path / "storage", window=4) as service:
        kept = await deliver(candidates + large, call, books.report, associations=number, window=window)
        assert kept is None
        assert books.statuses() == {0: 101}
        assert data_set_of(service.store.path_of("PORT104", "1.3")) == data_set("1.3", 3_000_000)
        assert len(service.files()) == 101


@pytest.mark.parametrize(("plain", "window"), [(True, 1), (False, 1)])
async def test_a_file_that_ends_its_association_keeps_no_other_back(candidates, plain, window):
    def answer(uid):
        if uid == "1.2.50":
            raise AbortedError("gone")
        return 0xB000

    books, counted = Books(), []
    give = associations(answer, counted, plain=plain)
    assert await deliver(candidates, give, books.report, window=window) is None
    assert books.statuses() == {0xB000: 99, "gone": 1}
    assert len(counted) == 2


async def test_of_several_under_way_each_is_sent_once_more_by_itself(candidates):
    def answer(uid):
        if uid in ("1.2.50", "1.2.52"):
            raise AbortedError("gone")
        return 0

    books, counted = Books(), []
    assert await deliver(candidates, associations(answer, counted), books.report, window=8) is None
    assert books.statuses() == {0: 98, "gone": 2}
    assert len(counted) == 4  # with all, with eight of which two end theirs, with the others


async def test_a_peer_that_ends_each_association_in_mid_window_is_left_alone(candidates):
    def answer(uid):
        raise AbortedError("gone")

    books, counted = Books(), []
    end = await deliver(candidates, associations(answer, counted), books.report, window=8)
    assert isinstance(end, AbortedError)
    assert books.statuses() == {"gone": 2, "not tried: gone": 98}
    assert len(counted) == 3


async def test_a_peer_that_ends_each_association_is_left_alone(candidates):
    def answer(uid):
        raise AbortedError("gone")

    books, counted = Books(), []
    end = await deliver(candidates, associations(answer, counted), books.report)
    assert isinstance(end, AbortedError)
    assert books.statuses() == {"gone": 3, "not tried: gone": 97}
    assert len(counted) == 3


async def test_where_no_association_comes_to_be_everything_waits(candidates):
    @contextlib.asynccontextmanager
    async def give(syntaxes):
        await trio.lowlevel.checkpoint()
        raise ConnectError("nobody there")
        yield

    books = Books()
    assert isinstance(await deliver(candidates, give, books.report, associations=2), ConnectError)
    assert books.statuses() == {"not tried: nobody there": 100}


async def test_a_peer_that_takes_fewer_associations_gets_everything_all_the_same(candidates):
    books, counted = Books(), []
    give = associations(lambda uid: 0, counted, limit=1)
    assert await deliver(candidates, give, books.report, associations=3) is None
    assert books.statuses() == {0: 100}


async def test_files_that_changed_meanwhile_are_told(tmp_path, candidates):
    first, second, third = (Path(one.path) for one in candidates[:3])
    first.unlink()
    write_file(tmp_path, "1.9").rename(second)
    third.write_text("no DICOM any more")
    books = Books()
    await deliver(candidates[:4], associations(lambda uid: 0, plain=False), books.report)
    assert [books.outcomes[one.sop_instance_uid].why for one in candidates[:4]] == [
        "it cannot be read: No such file or directory",
        "it was replaced by another instance meanwhile",
        "it is no DICOM file (PS3.10 7.1): it does not begin with a preamble and DICM",
        "",
    ]


async def test_a_file_that_breaks_off_is_not_the_peers_fault(candidates):
    def answer(uid):
        if int(uid.rpartition(".")[2]) < 10:
            raise OSError(5, "Input/output error")
        return 0

    books = Books()
    assert await deliver(candidates, associations(answer), books.report) is None
    assert books.statuses()[0] == 90


async def test_more_than_128_contexts_need_a_second_association(tmp_path):
    made = [
        Candidate(str(write_file(tmp_path, uid, sop_class=syntaxes.abstract_syntax)), syntaxes, uid, 1)
        for number in range(130)
        for syntaxes, uid in [(Syntaxes(f"1.2.3.{number}", "1.2.840.10008.1.2.1"), f"1.2.{number}")]
    ]
    books, counted = Books(), []
    await deliver(made, associations(lambda uid: 0, counted), books.report)
    assert books.statuses() == {0: 130}
    assert [len(syntaxes) for syntaxes in counted] == [128, 2]


@pytest.mark.parametrize("window", [1, 3])
async def test_cancelled_it_leaves_nothing_open(tmp_path, window):
    files = list(look_at(write_file(tmp_path, f"1.2.{number}", 1_500_000) for number in range(20)))

    class Never(Peer):
        async def store(self, file):
            await trio.sleep_forever()

    @contextlib.asynccontextmanager
    async def give(syntaxes):
        await trio.lowlevel.checkpoint()
        yield Never(None, plain=False)

    with trio.move_on_after(0.1):
        await deliver(files, give, Books().report, window=window)

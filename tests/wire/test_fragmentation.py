"""Messages are cut to what the peer receives, and come together again."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from port104.errors import LocalProtocolError
from port104.wire.fragmentation import COMMAND, SMALLEST, UNLIMITED, fragments
from port104.wire.pdu import PDataTF, decode


def pdvs_of(stream):
    """The PDVs of PDUs laid end to end, with each PDU's length."""
    while stream:
        pdu_type, length = struct.unpack_from(">BxI", stream)
        pdu = decode(pdu_type, stream[6 : 6 + length])
        assert isinstance(pdu, PDataTF)
        (pdv,) = pdu.pdvs
        yield pdv, length
        stream = stream[6 + length :]


@given(
    data=st.binary(max_size=500),
    maximum=st.integers(SMALLEST, 600) | st.just(0),
    control=st.sampled_from([0, COMMAND]),
    last=st.booleans(),
)
def test_fragments_join_to_the_whole(data, maximum, control, last):
    cut = list(pdvs_of(fragments(3, data, control, maximum_length=maximum, last=last)))
    assert b"".join(pdv.fragment for pdv, _ in cut) == data
    assert all(length <= maximum for _, length in cut) or maximum == 0
    assert [bool(pdv.control & 2) for pdv, _ in cut] == [False] * (len(cut) - 1) + [last]
    assert {pdv.control & 1 for pdv, _ in cut} == {control}
    assert {pdv.context_id for pdv, _ in cut} == {3}
    assert all(len(pdv.fragment) % 2 == 0 for pdv, _ in cut[:-1])


def test_an_unlimited_peer_gets_our_own_limit():
    cut = list(pdvs_of(fragments(1, bytes(UNLIMITED + 1), 0, maximum_length=0)))
    assert next(length for _, length in cut) == UNLIMITED
    assert len(cut) == 2


@pytest.mark.parametrize("maximum", range(1, SMALLEST))
def test_a_peer_that_leaves_no_room_cannot_be_sent_to(maximum):
    with pytest.raises(LocalProtocolError):
        fragments(1, b"data", 0, maximum_length=maximum)

"""Messages are cut to what the peer receives, and come together again."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from port104.errors import LocalProtocolError
from port104.wire.fragmentation import COMMAND, SMALLEST, UNLIMITED, fragments, portion
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
    maximum=st.integers(SMALLEST, 40) | st.integers(SMALLEST, 600) | st.just(0),
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


@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("maximum", range(SMALLEST, 130))
def test_every_pdu_but_the_last_is_as_full_as_the_peer_allows(maximum, last):
    """Of any length up to two PDUs and a bit, so that each boundary is met."""
    room = maximum - maximum % 2 - 6
    for size in range(2 * room + 3):
        data = bytes(range(256))[:size]
        cut = [pdv for pdv, _ in pdvs_of(fragments(1, data, 0, maximum_length=maximum, last=last))]
        assert [pdv.fragment for pdv in cut] == [data[at : at + room] for at in range(0, size or 1, room)]
        assert [pdv.control for pdv in cut] == [0] * (len(cut) - 1) + [2 * last]


@pytest.mark.parametrize("maximum", [0, UNLIMITED, UNLIMITED + 1, 0xFFFFFFFF])
def test_our_own_limit_holds_where_the_peers_is_higher(maximum):
    cut = [length for _, length in pdvs_of(fragments(1, bytes(UNLIMITED), 0, maximum_length=maximum))]
    assert cut == [UNLIMITED, 6 + 6]


def test_one_pdu_is_laid_out_as_the_standard_says():
    """Type, reserved, length; item length, context ID, control header; fragment (PS3.8 9.3.5)."""
    encoded = fragments(5, b"data", COMMAND, maximum_length=16384)
    assert encoded == b"\4\0\0\0\0\x0a" + b"\0\0\0\6" + b"\5\3" + b"data"


@pytest.mark.parametrize("maximum", range(1, SMALLEST))
def test_a_peer_that_leaves_no_room_cannot_be_sent_to(maximum):
    with pytest.raises(LocalProtocolError):
        fragments(1, b"data", 0, maximum_length=maximum)


@given(st.integers(SMALLEST, 1000) | st.sampled_from([0, UNLIMITED]), st.integers(14, 4000))
def test_a_portion_fits_in_full_pdus(maximum, most):
    size = portion(maximum, most)
    encoded = fragments(1, bytes(size), 0, maximum_length=maximum, last=False)
    assert size > 0
    assert len(encoded) <= most
    assert len({length for _, length in pdvs_of(encoded)}) == 1

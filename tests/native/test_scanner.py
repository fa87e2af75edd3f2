"""The native scanner tells of any bytes, cut anyhow, what its plain twin tells of the whole."""

import itertools
import struct

from hypothesis import given, settings
from hypothesis import strategies as st

from native_scanner import Native, announces_data_set, told
from scanner_twin import Twin


def pdv(context_id, control, fragment, wrong=0):
    return struct.pack(">IBB", len(fragment) + 2 + wrong, context_id, control) + fragment


def p_data(items, wrong=0):
    body = b"".join(items)
    return struct.pack(">BxI", 4, max(len(body) + wrong, 0)) + body


rarely_wrong = st.sampled_from([0] * 12 + [-3, -1, 1, 2, 6, 1 << 31])
pdvs = st.builds(
    pdv,
    st.sampled_from([1, 1, 1, 3]),
    st.sampled_from([3, 3, 1, 0, 2, 2, 0xFF, 0xFC]),
    st.just(b"") | st.binary(max_size=12),
    st.sampled_from([0] * 15 + [-1, -2, 1, 1 << 30]),
)
other_pdus = st.builds(
    lambda kind, body: struct.pack(">BxI", kind, len(body)) + body,
    st.sampled_from([1, 2, 3, 5, 6, 7, 0, 0xAA]),
    st.binary(max_size=12),
)
messages = st.builds(
    lambda command, data_set, context_id: (
        p_data([pdv(1, 3, command)]) + p_data([pdv(context_id, 2, data_set)])
    ),
    st.binary(min_size=1, max_size=9).filter(announces_data_set),
    st.binary(max_size=30),
    st.sampled_from([1] * 9 + [3]),
)
data_pdus = st.builds(p_data, st.lists(pdvs, min_size=1, max_size=3), rarely_wrong)
streams = st.lists(messages | data_pdus | other_pdus, max_size=6).map(b"".join) | st.binary(max_size=40)


@settings(max_examples=2_000, deadline=None)
@given(
    stream=streams, cuts=st.lists(st.integers(0, 200)), maximum_length=st.sampled_from([0, 0, 20, 1 << 20])
)
def test_native_tells_what_the_twin_tells(stream, cuts, maximum_length):
    expected, fault = Twin(maximum_length, announces_data_set).scan(stream)
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    native = Native(maximum_length)
    for start, end in itertools.pairwise(places):
        native.feed(stream[start:end])
    assert (told(native.runs), native.fault) == (told(expected), fault)


@given(stream=streams)
def test_byte_by_byte_is_the_same(stream):
    whole, single = Native(0), Native(0)
    whole.feed(stream)
    for byte in stream:
        single.feed(bytes([byte]))
    assert (told(single.runs), single.fault) == (told(whole.runs), whole.fault)

"""What is kept of the answers to queries, whatever a peer sends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from port104.net import matches
from port104.net.matches import Matches

LIMIT = 2_000
fragments = st.lists(st.tuples(st.binary(max_size=700), st.booleans()), max_size=12)


@pytest.fixture(autouse=True, scope="module")
def _small():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(matches, "MOST_BYTES", LIMIT)
        yield


@given(st.lists(st.tuples(st.integers(1, 3), fragments), max_size=12))
def test_what_is_kept_is_bounded_and_what_was_sent(sent):
    found, expected = Matches(), {}
    for message_id, pieces in sent:
        found.begin(message_id)
        whole = b""
        for data, last in [*pieces, (b"", True)]:
            if not found.take(data, last=last):
                return  # the association is aborted
            whole += data
            if last:
                break
        expected.setdefault(message_id, []).append(whole)
        assert found.count(message_id) == len(expected[message_id])
    for message_id, identifiers in expected.items():
        assert sum(map(len, identifiers)) + 256 * len(identifiers) <= LIMIT
        assert found.pop(message_id) == identifiers
        assert found.pop(message_id) == []


@given(fragments)
def test_a_data_set_of_no_match_is_passed_over(pieces):
    found = Matches()
    assert all(found.take(data, last=last) for data, last in pieces)
    assert found.count(1) == 0


def test_a_query_that_ended_leaves_nothing_behind():
    found = Matches()
    for _ in range(100):
        found.begin(1)
        assert found.take(b"x" * (LIMIT // 2), last=True)
        assert len(found.pop(1)) == 1

"""What we propose: one context for each kind of data set, within what an association can hold."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from port104 import uids
from port104.errors import LocalProtocolError
from port104.wire.negotiation import NegotiationPolicy, negotiate, rejection_of
from port104.wire.pdu import AsynchronousOperationsWindow, UserIdentity, decode
from port104.wire.proposal import (
    MOST_CONTEXTS,
    VERIFICATION,
    Proposal,
    Syntaxes,
    associate_request,
    shares,
)
from wire_strategies import valid_names, valid_uids

syntaxes = st.builds(Syntaxes, valid_uids, valid_uids)
PROPOSAL = Proposal(calling_ae_title="US", called_ae_title="THEM", syntaxes=(VERIFICATION,))


@given(
    st.builds(
        Proposal,
        calling_ae_title=valid_names.filter(lambda name: ".." not in name),
        called_ae_title=valid_names.filter(lambda name: ".." not in name),
        syntaxes=st.lists(syntaxes, min_size=1, max_size=5).map(tuple),
        window=st.integers(0, 0xFFFF),
        user_identity=st.none() | st.just(UserIdentity(1, False, b"who")),
    )
)
def test_a_request_reads_back_and_offers_each_syntax_alone(proposal):
    request = associate_request(proposal)
    assert decode(1, request.encode()[6:]) == request
    assert rejection_of(request) is None
    offered = [(each.abstract_syntax, each.transfer_syntaxes) for each in request.presentation_contexts]
    assert offered == [(abstract, (transfer,)) for abstract, transfer in proposal.syntaxes]


def test_nothing_is_said_of_a_window_of_one():
    assert associate_request(PROPOSAL).user_information.asynchronous_operations_window is None
    wider = msgspec.structs.replace(PROPOSAL, window=8)
    window = associate_request(wider).user_information.asynchronous_operations_window
    assert window == AsynchronousOperationsWindow(8, 1)


def test_our_own_acceptor_grants_it():
    answer = negotiate(associate_request(PROPOSAL), NegotiationPolicy())
    assert [(each.result, each.transfer_syntax) for each in answer.presentation_contexts] == [
        (0, uids.IMPLICIT_VR_LITTLE_ENDIAN)
    ]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"calling_ae_title": ""}, "calling AE title ''"),
        ({"called_ae_title": "SEVENTEEN LETTERS"}, "called AE title"),
        ({"called_ae_title": "A\\B"}, "called AE title"),
        ({"syntaxes": ()}, "not 0"),
        ({"syntaxes": (VERIFICATION,) * (MOST_CONTEXTS + 1)}, "not 129"),
    ],
)
def test_what_the_standard_does_not_have_is_refused(changes, words):
    with pytest.raises(LocalProtocolError, match=words):
        associate_request(msgspec.structs.replace(PROPOSAL, **changes))


def test_all_128_contexts_are_used():
    many = tuple(Syntaxes(f"1.2.{number}", "1.2.3") for number in range(MOST_CONTEXTS))
    request = associate_request(msgspec.structs.replace(PROPOSAL, syntaxes=many))
    assert [context.id for context in request.presentation_contexts] == list(range(1, 256, 2))


@given(st.lists(syntaxes, max_size=20), st.integers(1, 5))
def test_shares_hold_everything_once_in_order(wanted, most):
    shared = shares(wanted, most)
    assert [each for share in shared for each in share] == list(dict.fromkeys(wanted))
    assert all(len(share) == most for share in shared[:-1])
    assert all(share for share in shared)

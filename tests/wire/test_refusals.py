"""How refusals are told: in the standard's words, and reserved numbers as they came."""

import pytest
from hypothesis import given

from port104.wire.negotiation import Rejection
from port104.wire.pdu import AssociateRJ
from port104.wire.refusals import abort_words, context_words, reject_words
from wire_strategies import uint8


@pytest.mark.parametrize("rejection", list(Rejection))
def test_what_we_send_is_told_in_the_words_that_we_use_for_it(rejection):
    words = rejection.words.replace("user not identified", "no reason given")
    assert words in reject_words(rejection.value)


def test_a_rejection_says_whether_it_lasts():
    assert reject_words(AssociateRJ(2, 3, 2)) == "rejected transiently: local limit exceeded (2/3/2)"
    assert reject_words(AssociateRJ(1, 1, 7)) == (
        "rejected permanently: called AE title not recognized (1/1/7)"
    )


@given(uint8, uint8, uint8)
def test_any_numbers_are_told(result, source, reason):
    assert f"({result}/{source}/{reason})" in reject_words(AssociateRJ(result, source, reason))
    assert abort_words(source, reason)
    assert context_words(result)


def test_an_abort_names_who_and_why():
    assert abort_words(0, 2) == "by the service user"
    assert abort_words(2, 6) == "by the service provider: invalid PDU parameter value (2/6)"
    assert abort_words(2, 3) == "by the service provider: a reason that PS3.8 does not know (2/3)"


def test_a_refused_context_is_told():
    assert context_words(3) == "abstract syntax not supported"
    assert context_words(9) == "result 9, which PS3.8 does not know"

"""Status classes and words, with pynetdicom's tables as the other opinion."""

import pytest
from hypothesis import given
from pynetdicom.status import GENERAL_STATUS, STORAGE_SERVICE_CLASS_STATUS, code_to_category

from port104.wire.status import StatusClass, class_of, words_of
from wire_strategies import uint16

# pynetdicom takes these for failures; PS3.7 C.4.2 and C.5.10 say Warning.
WARNINGS_OF_ITS_OWN = {0x0107, 0x0116}


def test_classes_are_those_that_others_know():
    known = (GENERAL_STATUS.keys() | STORAGE_SERVICE_CLASS_STATUS.keys()) - WARNINGS_OF_ITS_OWN
    assert {status: class_of(status).value for status in known} == {
        status: code_to_category(status).lower() for status in known
    }


@pytest.mark.parametrize("status", WARNINGS_OF_ITS_OWN)
def test_attribute_lists_and_ranges_warn(status):
    assert class_of(status) is StatusClass.WARNING


@given(uint16)
def test_only_zero_is_success_and_everything_has_words(status):
    assert (class_of(status) is StatusClass.SUCCESS) == (status == 0)
    assert words_of(status)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0x0000, "success"),
        (0xA700, "refused: out of resources"),
        (0xA7FF, "refused: out of resources"),
        (0xA901, "error: data set does not match SOP class"),
        (0xC123, "error: cannot understand"),
        (0xB007, "data set does not match SOP class"),
        (0xB123, "warning"),
        (0xA123, "failure"),
        (0x0999, "failure"),
        (0xFF01, "pending"),
        (0xFE00, "cancel"),
    ],
)
def test_words(status, words):
    assert words_of(status) == words

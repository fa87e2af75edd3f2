"""What a web server answers is believed of each instance, and never more than it says."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from port104.export.contracts import UnreachableError
from port104.export.replies import Reply, answers_in, check_there
from port104.export.verdicts import Answered, BrokenOff, Unsendable
from port104.wire.status import StatusClass, class_of

REFERENCED, FAILED, OTHER = "00081199", "00081198", "0008119A"
UID, REASON, WARNING = "00081155", "00081197", "00081196"
DONE = Answered(0)


def item(uid=None, **numbers):
    elements = {} if uid is None else {UID: {"vr": "UI", "Value": [uid]}}
    return elements | {tag: {"vr": "US", "Value": [number]} for tag, number in numbers.items()}


def reply(status, **sequences):
    document = {tag: {"vr": "SQ", "Value": items} for tag, items in sequences.items()}
    return Reply(status, json.dumps(document).encode())


ONE, TWO = "1.2.1", "1.2.2"
BOTH = [ONE, TWO]


@pytest.mark.parametrize("body", [b"", b" \r\n", b"{}", b"[]", b'{"00081190": {"vr": "UR", "Value": ["u"]}}'])
def test_200_that_says_nothing_else_is_of_all(body):
    assert answers_in(Reply(200, body), BOTH) == [DONE, DONE]


@pytest.mark.parametrize("status", [201, 202, 204])
def test_another_success_that_says_nothing_is_none(status):
    for each in answers_in(Reply(status, b""), BOTH):
        assert isinstance(each, Unsendable)
        assert not each.final
        assert f"answered {status}" in each.why


@pytest.mark.parametrize("body", [b"<xml/>", b"\xff", b"[" * 100_000, b"no"])
def test_an_answer_that_cannot_be_read_is_no_success(body):
    for each in answers_in(Reply(200, body), BOTH):
        assert "no application/dicom+json" in each.why


def test_who_is_not_named_beside_others_is_not_stored():
    first, second = answers_in(reply(200, **{REFERENCED: [item(ONE)]}), BOTH)
    assert first == DONE
    assert "does not say whether it has it" in second.why


def test_who_is_named_as_both_has_failed():
    both = reply(200, **{REFERENCED: [item(ONE)], FAILED: [item(ONE, **{REASON: 0x0122})]})
    assert answers_in(both, [ONE]) == [Answered(0x0122)]


def test_what_could_not_be_named_is_who_is_not_named():
    other = {OTHER: [item(**{REASON: 0xC000})]}
    assert answers_in(reply(202, **{REFERENCED: [item(ONE)]}, **other), BOTH) == [DONE, Answered(0xC000)]
    assert answers_in(reply(409, **other), [ONE]) == [Answered(0xC000)]


@pytest.mark.parametrize("reason", [0, 0xB000, 0xFF00, -1, 70_000, None, "x", 1.5])
def test_a_reason_that_is_no_failure_makes_no_success(reason):
    assert answers_in(reply(200, **{FAILED: [item(ONE, **{REASON: reason})]}), [ONE]) == [Answered(0x0110)]


@pytest.mark.parametrize(("warning", "noted"), [(0xB007, 0xB007), ("45056", 0xB000), (0xA700, 0), (None, 0)])
def test_what_is_noted_of_a_success(warning, noted):
    assert answers_in(reply(200, **{REFERENCED: [item(ONE, **{WARNING: warning})]}), [ONE]) == [
        Answered(noted)
    ]


def test_a_list_of_one_as_some_servers_have_it():
    document = json.loads(reply(200, **{REFERENCED: [item(ONE)]}).body)
    assert answers_in(Reply(200, json.dumps([document]).encode()), [ONE]) == [DONE]


@pytest.mark.parametrize("status", [400, 409, 413, 415, 422, 500])
def test_a_refusal_of_several_says_nothing_of_each_unless_it_names_one(status):
    assert answers_in(Reply(status, b""), BOTH) is None
    assert answers_in(reply(status, **{FAILED: [item("1.2.9", **{REASON: 0x0110})]}), BOTH) is None
    first, second = answers_in(reply(status, **{FAILED: [item(ONE, **{REASON: 0x0122})]}), BOTH)
    assert first == Answered(0x0122)
    assert isinstance(second, BrokenOff if status == 500 else Unsendable)


def test_as_orthanc_has_it_a_refusal_names_what_was_stored_too():
    both = reply(400, **{REFERENCED: [item(ONE)], FAILED: [item(TWO, **{REASON: 0xC000})]})
    assert answers_in(both, BOTH) == [DONE, Answered(0xC000)]


def test_a_refusal_of_one():
    (found,) = answers_in(Reply(409, b""), [ONE])
    assert found == Unsendable("the destination answered 409 (Conflict)", final=False)
    (found,) = answers_in(Reply(599, b""), [ONE])
    assert found == BrokenOff("the destination answered 599: its own log may say why")


@pytest.mark.parametrize(
    "status", [300, 301, 304, 399, 401, 403, 404, 405, 406, 429, 501, 502, 503, 504, 507]
)
def test_what_is_the_destinations_own(status):
    stored = reply(status, **{REFERENCED: [item(ONE)]})
    with pytest.raises(UnreachableError, match=f"it answered {status}"):
        answers_in(stored, [ONE])


def test_who_answers_options_is_there_unless_it_says_that_it_is_not():
    check_there(200)
    check_there(405)
    with pytest.raises(UnreachableError, match="502"):
        check_there(502)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just(ONE),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([REFERENCED, FAILED, OTHER, UID, REASON, WARNING, "Value", "vr"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(status=st.sampled_from([200, 202, 204, 400, 409, 500]), document=JSON | st.binary())
def test_whatever_comes_is_an_answer(status, document):
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    for each in answers_in(Reply(status, body), [ONE]):
        if isinstance(each, Answered) and class_of(each.status) is StatusClass.SUCCESS:
            assert status == 200 or ONE in body.decode()

"""What goes into one message of instances transferred, and when."""

import pytest

from port104.service.audit.messages import Action, Transfer
from port104.service.audit.transfers import MOST_HELD, SECONDS_HELD, Transfers

CT, MR = b"1.2.840.10008.5.1.4.1.1.2\0", b"1.2.840.10008.5.1.4.1.1.4\0"


def elements(study=b"1.2.3\0", patient=b"PAT-1 ", sop_class=CT):
    return {0x00080016: sop_class, 0x00100020: patient, 0x0020000D: study}


@pytest.fixture
def transfers():
    return Transfers()


def test_one_message_for_a_study(transfers):
    for sop_class in (CT, CT, MR):
        assert not transfers.add(1, Action.CREATE, elements(sop_class=sop_class), 0.0)
    expected = Transfer(
        Action.CREATE, "1.2.3", "PAT-1", {"1.2.840.10008.5.1.4.1.1.2": 2, "1.2.840.10008.5.1.4.1.1.4": 1}
    )
    assert list(transfers.take(1)) == [expected]
    assert list(transfers.take(1)) == []


def test_studies_patients_actions_and_associations_are_told_apart(transfers):
    transfers.add(1, Action.CREATE, elements(), 0.0)
    transfers.add(1, Action.READ, elements(), 0.0)
    transfers.add(1, Action.CREATE, elements(study=b"1.2.4\0"), 0.0)
    transfers.add(1, Action.CREATE, elements(patient=b"PAT-2 "), 0.0)
    transfers.add(2, Action.CREATE, elements(), 0.0)
    assert len(list(transfers.take(1))) == 4
    assert len(list(transfers.take(2))) == 1


def test_what_an_association_that_goes_on_brought_becomes_due(transfers):
    transfers.add(1, Action.CREATE, elements(), 0.0)
    transfers.add(1, Action.CREATE, elements(study=b"1.2.4\0"), 10.0)
    assert list(transfers.due(SECONDS_HELD - 1)) == []
    assert [(number, each.study_instance_uid) for number, each in transfers.due(SECONDS_HELD)] == [
        (1, "1.2.3")
    ]
    assert [each.study_instance_uid for each in transfers.take(1)] == ["1.2.4"]


def test_studies_without_end_take_no_memory(transfers):
    full = [transfers.add(1, Action.CREATE, elements(study=b"1.%d" % n), 0.0) for n in range(MOST_HELD)]
    assert full.index(True) == MOST_HELD - 1
    assert len(list(transfers.take(1))) == MOST_HELD
    assert not transfers.add(1, Action.CREATE, elements(), 0.0)


def test_what_is_due_makes_room(transfers):
    for number in range(MOST_HELD - 1):
        transfers.add(1, Action.CREATE, elements(study=b"1.%d" % number), 0.0)
    assert len(list(transfers.due(SECONDS_HELD))) == MOST_HELD - 1
    assert not transfers.add(1, Action.CREATE, elements(), SECONDS_HELD)


@pytest.mark.parametrize("value", [b"", b"DOE^JOHN", b"1..2", b"1.2.3\\1.2.4", b"1" * 65, b"1.2\r\n"])
def test_what_is_no_uid_is_not_repeated(transfers, value):
    transfers.add(1, Action.CREATE, elements(study=value, sop_class=value), 0.0)
    (transfer,) = transfers.take(1)
    assert transfer.study_instance_uid == ""
    assert transfer.sop_classes == {"": 1}


@pytest.mark.parametrize(
    ("value", "text"), [(b"PAT-1\0", "PAT-1"), ("Pät".encode(), "Pät"), ("Pät".encode("latin-1"), "Pät")]
)
def test_patient_ids_in_other_character_sets(transfers, value, text):
    transfers.add(1, Action.CREATE, elements(patient=value), 0.0)
    (transfer,) = transfers.take(1)
    assert transfer.patient_id == text

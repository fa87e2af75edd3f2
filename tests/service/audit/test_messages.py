"""Audit messages: valid by the schema, and with the codes that PS3.15 A.5.3 wants."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit_reading import Message, read_line
from port104.service.audit.messages import (
    NOT_KNOWN,
    Action,
    Activity,
    Alert,
    AuditSource,
    Outcome,
    Peer,
    Transfer,
    application_activity,
    instances_transferred,
    security_alert,
)
from port104.service.audit.syslog import Origin, framed

AT = 1_800_000_000.25
SOURCE = AuditSource("gateway", "Hospital", "4711", ("PORT104", "OTHER"))
PEER = Peer("MODALITY", "10.0.0.5")
CT, MR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"
TRANSFER = Transfer(Action.CREATE, "1.2.3.4", "PAT-1", {CT: 100, MR: 2})


@pytest.mark.parametrize(("activity", "code"), [(Activity.START, "110120"), (Activity.STOP, "110121")])
def test_application_activity(activity, code):
    message = Message(application_activity(SOURCE, activity, Outcome.SUCCESS, AT))
    assert (message.event, message.type, message.action, message.outcome) == ("110100", code, "E", "0")
    assert message.participants == [("4711", "AETITLES=PORT104;OTHER", None)]
    assert message.xml.find("EventIdentification").get("EventDateTime") == "2027-01-15T08:00:00.250Z"
    source = message.xml.find("AuditSourceIdentification")
    assert (source.get("AuditSourceID"), source.get("AuditEnterpriseSiteID")) == ("gateway", "Hospital")


def test_security_alert():
    message = Message(
        security_alert(
            SOURCE,
            Alert.NODE_AUTHENTICATION,
            Outcome.SERIOUS_FAILURE,
            PEER,
            "association rejected: <why>",
            AT,
        )
    )
    assert (message.event, message.type, message.action, message.outcome) == ("110113", "110126", "E", "8")
    assert message.participants[1] == ("MODALITY", "AETITLES=MODALITY", "10.0.0.5")
    assert [each.get("UserIsRequestor") for each in message.xml.iterfind("ActiveParticipant")][1] == "false"
    assert message.objects == {"110182": "10.0.0.5"}
    assert message.description == "association rejected: <why>"


def test_instances_transferred():
    message = Message(instances_transferred(SOURCE, "PORT104", PEER, TRANSFER, AT))
    assert (message.event, message.type, message.action, message.outcome) == ("110104", None, "C", "0")
    assert message.participants == [
        ("MODALITY", "AETITLES=MODALITY", "10.0.0.5"),
        ("4711", "AETITLES=PORT104", None),
    ]
    roles = [each.find("RoleIDCode").get("csd-code") for each in message.xml.iterfind("ActiveParticipant")]
    assert roles == ["110153", "110152"]
    assert message.objects == {"110180": "1.2.3.4", "2": "PAT-1"}
    assert message.sop_classes == {CT: 100, MR: 2}


def test_identifiers_that_the_data_set_does_not_hold():
    message = Message(
        instances_transferred(SOURCE, "PORT104", PEER, Transfer(Action.READ, "", "", {"": 1}), AT)
    )
    assert message.objects == {"110180": NOT_KNOWN, "2": NOT_KNOWN}
    assert message.sop_classes == {None: 1}


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=300))
def test_whatever_peers_send_stays_one_line_of_valid_xml(title, patient, why):
    alert = security_alert(
        SOURCE, Alert.NODE_AUTHENTICATION, Outcome.MINOR_FAILURE, Peer(title, "::1"), why, AT
    )
    transfer = instances_transferred(
        SOURCE, title, Peer(title, "::1"), Transfer(Action.UPDATE, "1.2", patient, {CT: 1}), AT
    )
    for text, outcome in ((alert, Outcome.MINOR_FAILURE), (transfer, Outcome.SUCCESS)):
        line = Origin("a host\n", "1").line(text, outcome, AT)
        assert b"\n" not in line
        assert read_line(line).outcome == outcome.value


def test_a_frame_tells_its_octets():
    assert framed("<85>1 ä".encode()) == "8 <85>1 ä".encode()

"""Reads an audit trail as a collector would: RFC 5424 lines, messages valid by the schema of PS3.15 A.5.1."""

import base64
import re
from pathlib import Path

from lxml import etree

_SCHEMA = etree.RelaxNG(etree.parse(Path(__file__).parent / "service" / "audit" / "audit_message.rng"))
_LINE = re.compile(
    rb"<(?P<priority>8[45])>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (?P<host>[!-~]{1,255}) port104"
    rb" (?P<process>\d+) DICOM\+RFC3881 - \xef\xbb\xbf(?P<message><.*>)",
)


class Message:
    """One audit message: `event`, `type` and `outcome` are codes, `xml` the tree, `text` the XML."""

    def __init__(self, text):
        self.text = text
        self.xml = etree.fromstring(text.encode())
        _SCHEMA.assertValid(self.xml)
        identification = self.xml.find("EventIdentification")
        kind = identification.find("EventTypeCode")
        self.event = identification.find("EventID").get("csd-code")
        self.type = None if kind is None else kind.get("csd-code")
        self.action = identification.get("EventActionCode")
        self.outcome = identification.get("EventOutcomeIndicator")

    @property
    def participants(self):
        """(user, alternative user, address) of each."""
        names = ("UserID", "AlternativeUserID", "NetworkAccessPointID")
        return [tuple(map(each.get, names)) for each in self.xml.iterfind("ActiveParticipant")]

    @property
    def objects(self):
        """Participant objects: ID type code -> ID."""
        found = self.xml.iterfind("ParticipantObjectIdentification")
        return {
            each.find("ParticipantObjectIDTypeCode").get("csd-code"): each.get("ParticipantObjectID")
            for each in found
        }

    @property
    def sop_classes(self):
        return {each.get("UID"): int(each.get("NumberOfInstances")) for each in self.xml.iter("SOPClass")}

    @property
    def description(self):
        (detail,) = self.xml.iter("ParticipantObjectDetail")
        assert detail.get("type") == "Alert Description"
        return base64.b64decode(detail.get("value")).decode()


def read_line(line):
    """A message from its line; fails where the line is not as RFC 5424 and PS3.15 A.6 have it."""
    match = _LINE.fullmatch(line)
    assert match, line
    message = Message(match["message"].decode())
    assert match["priority"] == (b"85" if message.outcome == "0" else b"84")
    return message


def read_trail(path):
    """Every message of an audit file."""
    content = path.read_bytes()
    assert content.endswith(b"\n")
    return [read_line(line) for line in content[:-1].split(b"\n")]

"""The journal of what was sent: for one peer, of one file as it was, whole lines only."""

import pytest

from port104.sending.candidates import Candidate
from port104.sending.journal import Journal, JournalError
from port104.wire.proposal import Syntaxes

ONE = Candidate("a.dcm", Syntaxes("1.2", "1.3"), "1.2.3", 100)


def noted(path, peer="A@b:1", candidate=ONE):
    with Journal(path, peer) as journal:
        return journal.has(candidate)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "sent.jsonl"
    with Journal(path, "A@b:1") as journal:
        assert not journal.has(ONE)
        journal.note(ONE, 0)
    return path


def test_what_was_noted_is_known_for_the_same_peer_and_file(path):
    assert noted(path)
    assert not noted(path, "A@b:2")
    for changes in ({"size": 102}, {"path": "b.dcm"}, {"sop_instance_uid": "1.2.4"}):
        facts = {name: getattr(ONE, name) for name in ONE.__struct_fields__} | changes
        assert not noted(path, candidate=Candidate(**facts))


def test_a_torn_line_is_sent_again_and_spoils_no_other(path):
    content = path.read_bytes()
    path.write_bytes(content + content[:20])
    other = Candidate("a\udcff.dcm", ONE.syntaxes, "1.2.9", 7)
    with Journal(path, "A@b:1") as journal:
        assert journal.has(ONE)
        journal.note(other, 0xB000)
    assert noted(path)
    assert noted(path, candidate=other)


def test_what_is_no_journal_is_left_alone(tmp_path):
    path = tmp_path / "list.txt"
    path.write_text("my own list\n")
    with pytest.raises(JournalError, match="is no journal"):
        Journal(path, "A@b:1")
    assert path.read_text() == "my own list\n"


def test_what_cannot_be_used_is_named(tmp_path):
    with pytest.raises(JournalError, match="cannot be used as a journal: Is a directory"):
        Journal(tmp_path, "A@b:1")


def test_a_full_disk_is_named(tmp_path):
    with Journal(tmp_path / "sent.jsonl", "A@b:1") as journal:
        journal._file.close()
        journal._file = open("/dev/full", "wb", buffering=0)  # noqa: PTH123, SIM115 - closed by the journal
        with pytest.raises(JournalError, match="cannot be written on: No space"):
            journal.note(ONE, 0)

"""What a run left, and where it is to go."""

import json

import pytest

from port104.dispatch.results import FaultyResultsError, collect
from port104.jobs.ledger.results import Result
from stored_file import put

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "runs" / "r1" / "1"
    (made / "output" / "deep").mkdir(parents=True)
    return made


@pytest.fixture
def leave(tmp_path, folder):
    """Leaves a DICOM file."""

    def leave(name, instance="1.2.3"):
        put(tmp_path / "aside", instance).rename(folder / "output" / name)

    return leave


def found(tmp_path, folder, destinations=("PACS",)):
    return [
        (each.file.removeprefix("runs/r1/1/output/"), each.destination, each.state)
        for each in collect(tmp_path, folder, destinations)
    ]


def say(folder, word):
    (folder / "output" / "results.json").write_text(word if isinstance(word, str) else json.dumps(word))


def test_nothing_is_nothing(tmp_path, folder):
    assert collect(tmp_path, folder, ["PACS"]) == []


def test_each_file_waits_for_each_destination(tmp_path, folder, leave):
    leave("deep/a.dcm", "1.2.3.4")
    leave("b", "1.2.3.5")
    assert found(tmp_path, folder, ["PACS", "RIS", "PACS"]) == [
        ("b", "PACS", "waiting"),
        ("b", "RIS", "waiting"),
        ("deep/a.dcm", "PACS", "waiting"),
        ("deep/a.dcm", "RIS", "waiting"),
    ]
    assert collect(tmp_path, folder, ["PACS"])[1] == Result(
        file="runs/r1/1/output/deep/a.dcm",
        destination="PACS",
        sop_class_uid=SECONDARY_CAPTURE,
        sop_instance_uid="1.2.3.4",
        state="waiting",
    )


def test_without_a_destination_it_is_kept(tmp_path, folder, leave):
    leave("a")
    (kept,) = collect(tmp_path, folder, [])
    assert (kept.state, kept.destination, kept.why) == ("kept", "", "no destination is named for it")


def test_the_run_has_the_last_word(tmp_path, folder, leave):
    for name in "abc":
        leave(name)
    say(folder, {"destinations": ["RIS"], "files": {"b": ["VNA", "PACS"], "c": []}})
    assert found(tmp_path, folder) == [
        ("a", "RIS", "waiting"),
        ("b", "VNA", "waiting"),
        ("b", "PACS", "waiting"),
        ("c", "", "kept"),
    ]
    say(folder, {"files": {"b": ["VNA"]}})
    assert found(tmp_path, folder)[0] == ("a", "PACS", "waiting")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"text", "it is no DICOM file"),
        (bytes(128) + b"DICM" + b"\2\0\0\0UL\4\0\xff\xff\xff\xff", "its"),
        (bytes(128) + b"DICM", "its SOP Class UID is missing"),
    ],
)
def test_what_is_no_dicom_file_is_said(tmp_path, folder, content, why):
    (folder / "output" / "a.txt").write_bytes(content)
    (one,) = collect(tmp_path, folder, ["PACS"])
    assert (one.state, one.destination) == ("unreadable", "")
    assert one.why.startswith(why)


def test_links_lead_nowhere(tmp_path, folder):
    put(tmp_path, "1.2.3").rename(tmp_path / "secret.dcm")
    (folder / "output" / "a.dcm").symlink_to(tmp_path / "secret.dcm")
    (folder / "output" / "all").symlink_to(tmp_path)
    assert collect(tmp_path, folder, ["PACS"]) == []


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("{", "results.json is not as port104 takes it"),
        ({"destination": ["PACS"]}, "unknown field `destination`"),
        ({"destinations": "PACS"}, r"\$.destinations"),
        ({"files": {"a": ["PACS"]}}, "names 'a', which is not in output/"),
        ('{"destinations": ["' + "x" * 1024 * 1024 + '"]}', "longer than"),
    ],
)
def test_a_faulty_word_is_said(tmp_path, folder, word, reason):
    say(folder, word)
    with pytest.raises(FaultyResultsError, match=reason):
        collect(tmp_path, folder, [])


def test_a_word_that_is_a_link_is_not_read(tmp_path, folder):
    (tmp_path / "secret.json").write_text("{}")
    (folder / "output" / "results.json").symlink_to(tmp_path / "secret.json")
    with pytest.raises(FaultyResultsError, match="cannot be read"):
        collect(tmp_path, folder, [])

"""Clara's job settings: each in its one form, and faults that name the key."""

import re
import subprocess
import sys

import pytest
from pydicom.datadict import DicomDictionary, keyword_for_tag

from port104.jobs.grouping import GroupingRule
from port104.registry.entries import LocalAE
from port104.service.processing import destinations_in, read_setting, rule_of
from port104.service.registration import KINDS, FaultyEntryError, read_entry

AE_TITLE = KINDS[0]

FINE = [
    ("timeout", 5, ("timeout", 5)),
    ("Timeout", "5", ("timeout", 5)),
    ("groupBy", "0020,000D", ("groupBy", "0020,000D")),
    ("group-by", "0020000d", ("groupBy", "0020,000D")),
    ("groupBy", "(0020, 000D)", ("groupBy", "0020,000D")),
    ("groupBy", " (0020,000d) ", ("groupBy", "0020,000D")),
    ("groupBy", "StudyInstanceUID", ("groupBy", "0020,000D")),
    ("groupBy", "0029,1010", ("groupBy", "0029,1010")),
    ("jobRetryDelay", "0", ("jobRetryDelay", 0)),
    ("maximum-age", "600", ("maximumAge", 600)),
    ("lateInstances", "All", ("lateInstances", "all")),
    ("expected-from", " MYPACS ", ("expectedFrom", "MYPACS")),
    ("destinations", "PACS, RIS", ("destinations", "PACS,RIS")),
    ("job-retry-delay", 5000, ("jobRetryDelay", 5000)),
    ("priority", "Higher", ("priority", "higher")),
    ("pipeline-covid", "8ee3", ("pipeline-covid", "8ee3")),
    ("Pipeline-Covid-2", "8ee3", ("pipeline-Covid-2", "8ee3")),
]


@pytest.mark.parametrize(("name", "value", "expected"), FINE)
def test_one_form(name, value, expected):
    assert read_setting(name, value) == expected
    assert read_setting(*expected) == expected


WHOLE_SECONDS = "expected whole seconds from 1 to 86400"
KEYS = (
    "timeout, groupBy, maximumAge, lateInstances, expectedFrom, destinations, jobRetryDelay, priority,"
    " pipeline-<name>"
)
A_TAG = "expected a tag (0020,000D) or the keyword of one (StudyInstanceUID; PS3.6)"
FAULTS = [
    ("timeout", 0, WHOLE_SECONDS),
    ("timeout", True, WHOLE_SECONDS),
    ("timeout", 5.0, WHOLE_SECONDS),
    ("timeout", "5 s", WHOLE_SECONDS),
    ("timeout", "9" * 5000, WHOLE_SECONDS),
    ("timeout", {}, WHOLE_SECONDS),
    ("destinations", "PACS,,RIS", "expected names of destinations, with commas between them"),
    ("destinations", 5, "expected names of destinations, with commas between them"),
    ("lateInstances", "none", "expected one of new, all"),
    ("expectedFrom", " ", "expected the name of a destination that answers queries"),
    ("expectedFrom", 104, "expected the name of a destination that answers queries"),
    ("maximumAge", 0, WHOLE_SECONDS),
    ("jobRetryDelay", -1, "expected whole milliseconds from 0 to 86400000"),
    ("priority", "urgent", "expected one of lower, normal, higher, immediate"),
    ("priority", 1, "expected one of lower, normal, higher, immediate"),
    ("groupBy", "0020,000", A_TAG),
    ("groupBy", "(0020,000D", A_TAG),
    ("groupBy", "StudyInstanceUid", A_TAG),
    ("groupBy", 0x0020000D, A_TAG),
    ("groupBy", "", A_TAG),
    ("pipeline-", "x", "a name must follow pipeline-"),
    ("pipeline-a", " ", "expected the ID or the name of a pipeline, as text"),
    ("pipeline-a", 5, "expected the ID or the name of a pipeline, as text"),
    ("timeuot", 5, "unknown key; did you mean timeout?"),
    (
        "x",
        5,
        f"unknown key; known here: {KEYS}",
    ),
]


@pytest.mark.parametrize(("name", "value", "reason"), FAULTS, ids=lambda each: str(each)[:20])
def test_each_fault(name, value, reason):
    with pytest.raises(ValueError, match=f"^{re.escape(reason)}$"):
        read_setting(name, value)


def test_every_keyword_of_the_standard_is_known():
    some = [
        tag for number, tag in enumerate(sorted(DicomDictionary)) if number % 50 == 0 and keyword_for_tag(tag)
    ]
    assert len(some) > 50
    for tag in some:
        assert read_setting("groupBy", keyword_for_tag(tag))[1] == f"{tag >> 16:04X},{tag & 0xFFFF:04X}"


def test_a_tag_needs_no_pydicom():
    code = (
        "import sys; from port104.service.processing import destinations_in, read_setting, rule_of;"
        " read_setting('groupBy', '0020,000D'); sys.exit('pydicom' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_faults_stand_at_their_keys_and_all_of_them():
    settings = {"timeout": 0, "groupBy": "x", "Timeout": 5, "timeout ": 6}
    with pytest.raises(FaultyEntryError) as caught:
        read_entry(AE_TITLE, {"aeTitle": "A", "processorSettings": settings})
    assert [fault.path for fault in caught.value.faults] == [
        ("processorSettings", "timeout"),
        ("processorSettings", "groupBy"),
        ("processorSettings", "timeout "),
    ]


def test_only_of_studies_and_series_anybody_can_be_asked():
    settings = {"expectedFrom": "MYPACS", "groupBy": "0020,000E"}
    entry = read_entry(AE_TITLE, {"aeTitle": "A", "processorSettings": settings})
    assert entry.expected_from == "MYPACS"
    settings["groupBy"] = "PatientID"
    with pytest.raises(FaultyEntryError, match="expectedFrom is of no use with this groupBy"):
        read_entry(AE_TITLE, {"aeTitle": "A", "processorSettings": settings})


def test_a_setting_given_twice_is_a_fault():
    with pytest.raises(FaultyEntryError, match="group-by: it is the same key as groupBy, given before"):
        read_entry(
            AE_TITLE,
            {"aeTitle": "A", "processorSettings": {"groupBy": "0020,000D", "group-by": "0020,000E"}},
        )


def test_an_entry_holds_the_one_form():
    document = {"aeTitle": "A", "processorSettings": {"Timeout": "7", "pipeline-a": "x"}}
    assert read_entry(AE_TITLE, document) == LocalAE(
        ae_title="A", processor_settings={"timeout": 7, "pipeline-a": "x"}
    )


def test_how_an_ae_title_groups():
    assert rule_of({}) == GroupingRule()
    settings = {
        "timeout": 7,
        "groupBy": "0010,0020",
        "maximumAge": 60,
        "lateInstances": "all",
        "priority": "lower",
    }
    expected = GroupingRule(tag=0x00100020, timeout=7, maximum_age=60, late="all")
    assert rule_of(settings) == expected


def test_where_results_go():
    assert destinations_in({}) == ()
    assert destinations_in({"destinations": "PACS,RIS"}) == ("PACS", "RIS")

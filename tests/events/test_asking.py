"""Export requests are read whatever is in them, and answered in MIG's words."""

import json
import string

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from port104.events.asking import (
    MOST_BYTES,
    MOST_FILES,
    FaultyRequestError,
    answer,
    read_request,
)
from port104.events.forms import ExportComplete, ExportRequest, ExportStatus, FileExportStatus
from port104.jobs.ledger.requests import Became

RUN = "587ff194427e857f"
PLAIN = st.text(string.ascii_letters + string.digits + "-", min_size=1, max_size=40)
FILES = st.lists(PLAIN.map(lambda name: f"runs/{RUN}/2/output/{name}.dcm"), min_size=1, max_size=5)


def document(**changes):
    """What MIG's workflow manager writes."""
    return {
        "workflow_instance_id": "w1",
        "export_task_id": "t1",
        "files": [f"runs/{RUN}/1/output/a.dcm"],
        "destinations": ["PACS"],
        "correlation_id": "c1",
        "DeliveryTag": None,
        "MessageId": None,
        "ErrorMessages": [],
        "PluginAssemblies": [],
    } | changes


def body(**changes):
    return json.dumps(document(**changes)).encode()


def request(**changes):
    return read_request("m1", body(**changes))


@given(
    st.builds(
        ExportRequest,
        files=FILES.map(tuple),
        destinations=st.just(("PACS",)),
        **dict.fromkeys(("workflow_instance_id", "export_task_id", "correlation_id"), PLAIN),
    )
)
def test_a_request_is_read_as_it_was_written(asked):
    read = read_request("m1", msgspec.json.encode(asked))
    assert (read.message_id, read.run_id, read.attempt) == ("m1", RUN, 2)
    assert read.files == tuple(dict.fromkeys(asked.files))
    for name in ("workflow_instance_id", "export_task_id", "correlation_id", "destinations"):
        assert getattr(read, name) == getattr(asked, name)


def test_what_mig_writes_is_read_and_what_is_named_twice_once():
    read = request(files=[f"runs/{RUN}/12/dcm/1.2.dcm"] * 2, destinations=["PACS", "RIS", "PACS"])
    assert (read.attempt, read.files) == (12, (f"runs/{RUN}/12/dcm/1.2.dcm",))
    assert read.destinations == ("PACS", "RIS")


@pytest.mark.parametrize(
    "path",
    [
        *("", "/etc/passwd", "a.dcm", "runs", f"runs/{RUN}/1/", f"runs/{RUN}/1", f"runs/{RUN}/0/output/a"),
        *(f"runs/{RUN}/1/../2/a", f"runs/{RUN}/1/output/../../../../etc/passwd", f"runs/{RUN}/1/..", "../a"),
        *(f"runs/{RUN}/1/./a", f"runs/{RUN}/1//a", f"/runs/{RUN}/1/a", f"runs/{RUN}/1/output/"),
        *(f"runs/{RUN.upper()}/1/a", "runs/../1/a", f"runs/{RUN}/1/a\0b", f"runs/{RUN}/1/a\nb"),
        *(f"runs/{RUN}/1/\ud800", f"runs/{RUN}/1/{'a' * 1024}", f"runs/{RUN}/9999999999/a", "s3://x/y"),
        *(f"runs/{RUN}/-1/a", f"runs/{RUN}/\uff11/a", f"runs\\{RUN}\\1\\a", f"instances/{RUN}/1/a"),
    ],
)
def test_a_path_leads_into_the_folder_of_an_attempt_or_is_refused_unquoted(path):
    with pytest.raises(FaultyRequestError) as caught:
        request(files=[path])
    assert "files[0]" in str(caught.value) or "JSON" in str(caught.value)
    assert path not in str(caught.value) or len(path) < 5


@given(st.text(max_size=60))
def test_no_path_leads_elsewhere(text):
    for path in (text, f"runs/{RUN}/1/{text}", f"runs/{text}"):
        try:
            read = request(files=[path])
        except FaultyRequestError:
            continue
        assert read.files[0].startswith(f"runs/{read.run_id}/{read.attempt}/")
        assert not {"", ".", ".."} & set(read.files[0].split("/"))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"files": []}, "it names 0 files"),
        ({"files": [f"runs/{RUN}/1/a"] * (MOST_FILES + 1)}, f"it names {MOST_FILES + 1} files"),
        ({"files": "runs"}, r"Expected `array`, got `str` - at `\$.files`"),
        ({"files": [1]}, r"Expected `str`, got `int` - at `\$.files\[0\]`"),
        ({"files": [f"runs/{RUN}/1/a", f"runs/{RUN}/2/a"]}, "several attempts"),
        ({"destinations": []}, "it names 0 destinations"),
        ({"destinations": ["x"] * 65}, "it names 65 destinations"),
        ({"destinations": ["x" * 65]}, r"destinations\[0\]"),
        ({"destinations": ["PACS", "a\nb"]}, r"destinations\[1\]"),
        (
            {"destinations": [f"D{n}" for n in range(9)], "files": [f"runs/{RUN}/1/a"] * 3000},
            "more than 20000",
        ),
        ({"workflow_instance_id": None}, "Expected `str`, got `null`"),
        ({"workflow_instance_id": ""}, "workflow_instance_id is not"),
        ({"export_task_id": "x" * 201}, "export_task_id is not"),
        ({"correlation_id": "a\0"}, "correlation_id is not"),
        ({"correlation_id": "ä"}, "correlation_id is not"),
    ],
)
def test_what_is_wrong_is_told(changes, why):
    with pytest.raises(FaultyRequestError, match=why):
        request(**changes)


@pytest.mark.parametrize("key", ["files", "destinations", "workflow_instance_id", "export_task_id"])
def test_what_is_missing_is_told(key):
    lacking = document()
    del lacking[key]
    with pytest.raises(FaultyRequestError, match=f"missing required field `{key}`"):
        read_request("m1", json.dumps(lacking).encode())


@pytest.mark.parametrize("message_id", [None, "", "x" * 201, "a\nb", "ä"])
def test_a_message_without_an_id_is_refused(message_id):
    with pytest.raises(FaultyRequestError, match="message-id"):
        read_request(message_id, body())


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xfe", b"[]", b"{", b"null", b"[" * 100_000, b'{"files": ["\xff"]}', b"x" * (MOST_BYTES + 1)],
    ids=range(8),
)
def test_what_is_no_json_is_refused(content):
    with pytest.raises(FaultyRequestError, match="it "):
        read_request("m1", content)


@given(st.binary(max_size=200))
def test_whatever_comes_is_read_or_refused(content):
    with pytest.raises(FaultyRequestError):
        read_request("m1", content)


A, B = f"runs/{RUN}/1/output/a.dcm", f"runs/{RUN}/1/output/b.dcm"


def became(path, status=None, state=None, why="", destination="PACS"):
    return Became(path, destination, status, state, why)


@pytest.mark.parametrize(
    ("outcomes", "status", "statuses", "message"),
    [
        (
            [became(A, state="delivered"), became(B, state="delivered", why="a warning")],
            "Success",
            [0, 0],
            "",
        ),
        (
            [became(A, state="delivered"), became(B, state="failed", why="A900: no")],
            "PartialFailure",
            [0, 3],
            f"{B} for PACS: A900: no",
        ),
        (
            [became(A, state="cancelled"), became(B, status=2, why="it is no DICOM file")],
            "Failure",
            [3, 2],
            f"{A} for PACS: cancelled\n{B} for PACS: it is no DICOM file",
        ),
        ([became(A)], "Failure", [5, 5], f"{A} for PACS: it is not known"),
        (
            [
                became(A, state="delivered"),
                became(A, state="failed", why="x", destination="RIS"),
                became(B, state="delivered"),
                became(B, state="delivered", destination="RIS"),
            ],
            "PartialFailure",
            [3, 0],
            f"{A} for RIS: x",
        ),
    ],
)
def test_an_answer_has_a_status_for_each_file(outcomes, status, statuses, message):
    told = answer(request(files=[A, B]), outcomes)
    assert (told.routing_key, told.kind) == ("md.export.complete", "ExportCompleteEvent")
    assert told.correlation_id == "c1"
    assert json.loads(told.body) == {
        "workflow_instance_id": "w1",
        "export_task_id": "t1",
        "status": status,
        "message": message,
        "file_statuses": dict(zip([A, B], statuses, strict=True)),
        "export_request": 0,
    }
    read = msgspec.json.decode(told.body, type=ExportComplete)
    assert (read.status, [*read.file_statuses.values()]) == (
        ExportStatus(status),
        [FileExportStatus(each) for each in statuses],
    )


def test_an_answer_is_the_same_each_time_and_not_longer_than_some():
    asked = request(files=[f"runs/{RUN}/1/output/{number}" for number in range(500)])
    outcomes = [became(path, state="failed", why="x") for path in asked.files]
    told = answer(asked, outcomes)
    assert told == answer(asked, outcomes)
    lines = json.loads(told.body)["message"].splitlines()
    assert (len(lines), lines[-1]) == (101, "and 400 more")

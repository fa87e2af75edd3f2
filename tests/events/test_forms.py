"""The bodies of messages are what MIG's programs write and read."""

import uuid
from datetime import UTC, datetime

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from port104.events.forms import DataOrigin, DataService, PayloadFile, WorkflowRequest, id_of

texts = st.text(max_size=40)
origins = st.builds(DataOrigin, service=st.sampled_from(DataService), source=texts, destination=texts)
files = st.builds(PayloadFile, path=texts, metadata=texts, object=st.just(msgspec.UNSET) | texts)
requests = st.builds(
    WorkflowRequest,
    payload_id=st.uuids().map(str),
    workflows=st.lists(texts, max_size=3).map(tuple),
    file_count=st.integers(0, 10**6),
    correlation_id=texts,
    bucket=texts,
    trigger=origins,
    data_origins=st.lists(origins, max_size=3).map(tuple),
    timestamp=st.datetimes(timezones=st.just(UTC)),
    workflow_instance_id=st.none() | texts,
    task_id=st.none() | texts,
    payload=st.lists(files, max_size=3).map(tuple),
)


@given(requests)
def test_a_workflow_request_is_read_as_it_was_written(request):
    assert msgspec.json.decode(msgspec.json.encode(request), type=WorkflowRequest) == request


def test_a_workflow_request_has_migs_keys():
    origin = DataOrigin(DataService.DIMSE, "CT1", "COVIDAET")
    request = WorkflowRequest(
        payload_id="5d0b1d3c-1111-4222-8333-444455556666",
        workflows=("p1",),
        file_count=1,
        correlation_id="c",
        bucket="payloads",
        trigger=origin,
        data_origins=(origin,),
        timestamp=datetime(2026, 11, 30, 7, 0, 0, 250_000, UTC),
        payload=(PayloadFile("runs/r/1/dcm/1.2.dcm"),),
    )
    described = {"dataService": 1, "source": "CT1", "destination": "COVIDAET"}
    assert msgspec.json.decode(msgspec.json.encode(request)) == {
        "payload_id": "5d0b1d3c-1111-4222-8333-444455556666",
        "workflows": ["p1"],
        "file_count": 1,
        "correlation_id": "c",
        "bucket": "payloads",
        "trigger": described,
        "data_origins": [described],
        "timestamp": "2026-11-30T07:00:00.250000Z",
        "workflow_instance_id": None,
        "task_id": None,
        "payload": [{"path": "runs/r/1/dcm/1.2.dcm", "metadata": ""}],
    }


def test_ids_are_uuids_that_stay():
    assert id_of("run", "a") == id_of("run", "a")
    assert len({id_of("run", "a"), id_of("run", "b"), id_of("job", "a")}) == 3
    assert str(uuid.UUID(id_of("run", "a"))) == id_of("run", "a")

"""A run is told of by what its manifest says: once, whatever attempts it has."""

import json
import uuid

import msgspec
import pytest

from port104.events.announcing import Announcer
from runs import run_of

RUN = run_of(id="587ff194427e857f", pipeline_id="c0")


@pytest.fixture
def announcer(tmp_path):
    instances = [
        {
            "file": f"dcm/1.2.{number}.dcm",
            "sopInstanceUid": f"1.2.{number}",
            "callingAeTitle": calling,
            "received": f"2026-11-30T07:00:0{number}.250Z",
        }
        for number, calling in [(3, "MR1"), (1, "CT1"), (2, "CT1")]
    ]
    (tmp_path / "manifest.json").write_text(json.dumps({"version": 1, "instances": instances}))
    return Announcer("site", lambda: None)


def test_what_is_told(announcer, tmp_path):
    message = announcer.message_of(RUN, tmp_path)
    assert (message.routing_key, message.kind) == ("md.workflow.request", "WorkflowRequestEvent")
    body = json.loads(message.body)
    assert [each["path"] for each in body["payload"]] == [
        f"runs/587ff194427e857f/1/dcm/1.2.{number}.dcm" for number in (3, 1, 2)
    ]
    assert (body["workflows"], body["file_count"], body["bucket"]) == (["c0"], 3, "site")
    assert body["trigger"] == {"dataService": 1, "source": "MR1", "destination": "COVIDAET"}
    assert [each["source"] for each in body["data_origins"]] == ["CT1", "MR1"]
    assert body["timestamp"] == "2026-11-30T07:00:03.250000Z"
    for each in (message.id, body["payload_id"], body["correlation_id"]):
        assert str(uuid.UUID(each)) == each
    assert message.correlation_id == body["correlation_id"]


def test_attempts_have_one_message_and_a_rerun_another(announcer, tmp_path):
    again = msgspec.structs.replace(RUN, attempt=2)
    rerun = msgspec.structs.replace(RUN, attempt=3, first=3)
    other = msgspec.structs.replace(RUN, id="ffff194427e857f0")
    told = [announcer.message_of(run, tmp_path) for run in (RUN, again, rerun, other)]
    assert told[0].id == told[1].id
    assert len({each.id for each in told}) == 3
    assert len({each.correlation_id for each in told}) == 1
    assert announcer.message_of(RUN, tmp_path) == told[0]


def test_what_is_in_an_object_store_is_named_there_too(announcer, tmp_path):
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    manifest["instances"][0]["object"] = "s3://payloads/n1/00/a.dcm"
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    payload = json.loads(announcer.message_of(RUN, tmp_path).body)["payload"]
    assert [each.get("object") for each in payload] == ["s3://payloads/n1/00/a.dcm", None, None]

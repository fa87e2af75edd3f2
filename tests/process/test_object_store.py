"""Whole engines with an object store: nothing waits for it, nothing is lost, and replicas share by it."""

import contextlib
import json
import shutil
import subprocess
import sys

import pytest

from engine_process import engine, own_environment
from scripted_s3 import ScriptedS3, serving_s3
from sender import send_images

pytestmark = pytest.mark.peer

COPY = "import os, shutil; shutil.copytree(os.environ['PORT104_INPUT'], 'output', dirs_exist_ok=True)"
UIDS = [f"1.2.3.{number}" for number in range(40)]


@pytest.fixture
def settings(seaweedfs):
    local_ae = {"aeTitle": "PORT104", "processorSettings": {"timeout": 2, "pipeline-copy": "c0"}}
    return {
        "scp": {"aeTitles": [local_ae]},
        "pipelines": [{"name": "copy", "id": "c0", "command": [sys.executable, "-c", COPY]}],
        "objectStore": seaweedfs.new_bucket(),
        "log": {"format": "json"},
    }


def send(server, uids):
    send_images(server.port, uids)


def drain(server):
    config = server.folder.with_name(server.folder.name + ".json")
    command = [sys.executable, "-m", "port104", "drain", "--timeout", "60", "-f", str(config)]
    subprocess.run(command, check=True, capture_output=True, env=own_environment())


def health(server):
    return json.loads(server.command("status", "-o", "json"))["objectStore"]


def held_by(scripted):
    """Its instances, by their bytes."""
    return sorted(content for key, content in scripted.objects.items() if key.endswith(".dcm"))


def objects(seaweedfs, settings):
    """Those of instances, by their bytes."""
    found = seaweedfs.contents(settings["objectStore"])
    return sorted(content for key, content in found.items() if key.endswith(".dcm"))


def test_a_study_of_which_each_engine_has_a_half_is_one_job_with_all_of_it(
    tmp_path, settings, seaweedfs, postgres
):
    """Neither sees the other's storage folder."""
    settings["registry"] = {"url": postgres.new_url()}
    import psycopg  # noqa: PLC0415 - an optional dependency

    with contextlib.ExitStack() as stack:
        rows = stack.enter_context(psycopg.connect(settings["registry"]["url"], autocommit=True)).execute
        one = stack.enter_context(engine(tmp_path / "a", **settings))
        other = stack.enter_context(engine(tmp_path / "b", **settings))
        for server in (one, other):  # as if it were on another machine
            rows(
                "UPDATE port104_node SET root = '/nowhere' WHERE node = %s",
                [(server.folder / "node").read_text().strip()],
            )
        for first in range(0, len(UIDS), 10):
            send(one, UIDS[first : first + 5])
            send(other, UIDS[first + 5 : first + 10])
        one.wait_for(lambda: rows("SELECT state FROM port104_run").fetchall() == [("succeeded",)], 30)
        assert rows("SELECT state, instances FROM port104_group").fetchall() == [("closed", len(UIDS))]
        ((run, node, attempt),) = rows("SELECT id, node, attempt FROM port104_run").fetchall()
        assert attempt == 1
        at = one if (one.folder / "node").read_text().strip() == node else other
        payload = at.folder / "runs" / run / "1"
        listed = json.loads((payload / "manifest.json").read_bytes())["instances"]
        assert sorted(each["sopInstanceUid"] for each in listed) == sorted(UIDS)
        stored = [path.read_bytes() for server in (one, other) for path in server.stored_files()]
        assert sorted(path.read_bytes() for path in (payload / "dcm").iterdir()) == sorted(stored)
        found = rows("SELECT sop_instance FROM port104_result ORDER BY sop_instance").fetchall()
        assert found == [(uid,) for uid in sorted(UIDS)]
        assert (one.terminate(), other.terminate()) == (0, 0)
    assert objects(seaweedfs, settings) == sorted(stored)


def test_a_volume_may_go_once_its_engine_is_drained_and_others_go_on_with_its_instances(
    tmp_path, settings, postgres
):
    settings["registry"] = {"url": postgres.new_url()}
    with engine(tmp_path / "a", **settings) as leaves:
        send(leaves, UIDS)
        drain(leaves)
        assert leaves.terminate() == 0
    shutil.rmtree(leaves.folder)
    with engine(tmp_path / "b", **settings) as stays:
        (job,) = json.loads(stays.command("jobs", "list", "-o", "json"))
        stays.command("jobs", "rerun", job["id"])
        stays.wait_for(lambda: list(stays.folder.glob("runs/*/*/manifest.json")), 30)
        (manifest,) = stays.folder.glob("runs/*/*/manifest.json")
        listed = json.loads(manifest.read_bytes())["instances"]
        assert sorted(each["sopInstanceUid"] for each in listed) == sorted(UIDS)
        assert len(list((manifest.parent / "dcm").iterdir())) == len(UIDS)
        assert stays.terminate() == 0


def test_a_kill_while_instances_are_put_there_loses_and_doubles_nothing(tmp_path, settings):
    scripted = ScriptedS3()
    scripted.pause = 0.003  # so that a kill comes in the middle
    uids = [f"1.2.3.{number}" for number in range(400)]
    with serving_s3(scripted) as endpoint:
        settings["objectStore"] |= {"endpoint": endpoint, "parallelRequests": 2}
        for some in (uids[:200], uids[200:], []):
            before = len(scripted.objects)
            with engine(tmp_path / "a", **settings) as server:
                send(server, some)
                server.wait_for(lambda before=before: len(scripted.objects) > before + 50, 20)
                server.kill()
            assert len(scripted.objects) < len(uids)
        with engine(tmp_path / "a", **settings) as server:
            stored = sorted(path.read_bytes() for path in server.stored_files())
            assert len(stored) == len(uids)
            server.wait_for(lambda: health(server)["waiting"] == 0, 30)
            server.wait_for(lambda: held_by(scripted) == stored, 30)
            assert server.terminate() == 0


def test_a_store_that_is_away_hinders_nobody_and_is_made_good_for_later(tmp_path, settings):
    scripted = ScriptedS3()
    scripted.away = True
    with (
        serving_s3(scripted) as endpoint,
        engine(
            tmp_path / "a", **settings | {"objectStore": settings["objectStore"] | {"endpoint": endpoint}}
        ) as server,
    ):
        send(server, UIDS)
        server.wait_for(lambda: health(server)["fault"] is not None, 10)
        assert "it asks to go more slowly" in health(server)["fault"]
        server.wait_for(lambda: health(server)["waiting"] == len(UIDS), 10)
        server.wait_for(lambda: '"succeeded"' in server.command("jobs", "list", "-o", "json"), 30)
        scripted.away = False
        server.wait_for(lambda: health(server)["waiting"] == 0, 60)
        assert health(server)["fault"] is None
        stored = sorted(path.read_bytes() for path in server.stored_files())
        assert held_by(scripted) == stored
        assert server.terminate() == 0


def test_with_another_bucket_all_is_put_there_again_and_nothing_that_left_is_forgotten(
    tmp_path, settings, seaweedfs
):
    other = settings | {"objectStore": seaweedfs.new_bucket()}
    with engine(tmp_path / "a", **settings) as server:
        send(server, UIDS)
        server.wait_for(lambda: health(server)["stored"] == len(UIDS), 30)
        assert server.terminate() == 0
    stored = sorted(path.read_bytes() for path in server.stored_files())
    with engine(tmp_path / "a", **other) as server:
        server.wait_for(lambda: objects(seaweedfs, other) == stored, 30)
        said = [entry for entry in server.log_entries() if "is another one than before" in entry["event"]]
        assert [(entry["put_again"], entry["left_there"]) for entry in said] == [(len(UIDS), 0)]
        assert [bucket in said[0]["before"] for bucket in buckets(settings, other)] == [True, False]
        assert [bucket in said[0]["now"] for bucket in buckets(settings, other)] == [False, True]
        assert health(server)["elsewhere"] == 0
        assert server.terminate() == 0
    assert objects(seaweedfs, settings) == stored


def buckets(*several):
    return [settings["objectStore"]["url"] for settings in several]


def test_a_faulty_configuration_of_the_store_stops_no_reception(tmp_path, settings):
    settings["objectStore"]["secretAccessKey"] = "another one"
    with engine(tmp_path / "a", **settings) as server:
        send(server, UIDS[:3])
        server.wait_for(lambda: health(server)["fault"] is not None, 10)
        assert "check objectStore.secretAccessKey" in health(server)["fault"]
        said = [entry for entry in server.log_entries() if "object store" in entry["event"]]
        assert [entry["level"] for entry in said] == ["error"]
        assert "another one" not in server.log.read_text()
        assert server.terminate() == 0

"""The steps of a Job as Kubernetes runs them: programs with an environment, a folder, and an exit code."""

import hashlib
import json
import subprocess
import sys

import pytest

from engine_process import free_port, own_environment
from scripted_s3 import ScriptedS3, error, serving_s3

RUN = "00000000000000a1"
AT = f"site/runs/{RUN}/1"
CONTENT = b"an instance"


@pytest.fixture
def server():
    scripted = ScriptedS3()
    with serving_s3(scripted):
        yield scripted


def environment(endpoint, **others):
    settings = {
        "URL": "s3://bucket/site",
        "ENDPOINT": endpoint,
        "ALLOWHTTP": "true",
        "ACCESSKEYID": "us",
        "SECRETACCESSKEY": "open sesame",
        "CONNECTTIMEOUT": "1",
        **others,
    }
    return {f"PORT104_OBJECTSTORE__{key}": value for key, value in settings.items()}


def port104(*arguments, env):
    return subprocess.run(
        [sys.executable, "-m", "port104", "payload", *map(str, arguments)],
        env=own_environment() | env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def give(objects):
    """Put a payload there; returns the flags that tell of its manifest."""
    objects["site/n1/a.dcm"] = CONTENT
    facts = {"size": len(CONTENT), "sha256": hashlib.sha256(CONTENT).hexdigest()}
    instance = {"file": "dcm/1.2.dcm", "object": "s3://bucket/site/n1/a.dcm", **facts}
    manifest = json.dumps({"version": 1, "instances": [instance]}).encode()
    objects[f"{AT}/manifest.json"] = manifest
    return ("--size", len(manifest), "--sha256", hashlib.sha256(manifest).hexdigest())


def test_a_payload_comes_and_an_output_goes(server, tmp_path):
    manifest, env = give(server.objects), environment(server.endpoint)
    fetched = port104("fetch", RUN, 1, *manifest, "--folder", tmp_path, env=env)
    assert (fetched.returncode, fetched.stdout) == (0, "")
    assert fetched.stderr == "port104: fetched 1 instances, 11 bytes\n"
    assert (tmp_path / "dcm" / "1.2.dcm").read_bytes() == CONTENT
    (tmp_path / "output" / "Jane.dcm").write_bytes(b"a report")
    delivered = port104("deliver", RUN, 1, "--folder", tmp_path, env=env)
    assert (delivered.returncode, delivered.stderr) == (0, "port104: delivered 1 files, 8 bytes\n")
    assert server.objects[f"{AT}/output/0"] == b"a report"
    assert json.loads(server.objects[f"{AT}/delivery.json"])["whole"] is True


def test_a_store_that_is_away_is_asked_again_and_named_in_the_last_line(server, tmp_path):
    manifest = give(server.objects)
    server.faults = {"GET": [error(503, "SlowDown")]}
    env = environment(server.endpoint)
    fetched = port104("fetch", RUN, 1, *manifest, "--folder", tmp_path, env=env)
    assert fetched.returncode == 0
    assert "asks to go more slowly (SlowDown); tried again for 300 s" in fetched.stderr
    away = environment(f"http://127.0.0.1:{free_port()}")
    fetched = port104("fetch", RUN, 1, *manifest, "--folder", tmp_path, "--patience", 0, env=away)
    assert fetched.returncode == 3
    last = fetched.stderr.splitlines()[-1]
    assert last.startswith("port104: the payload cannot be fetched: the object store at http://127.0.0.1:")
    assert "nobody listens there" in last


def test_damage_fails_at_once(server, tmp_path):
    manifest = give(server.objects)
    server.objects["site/n1/a.dcm"] = b"An instance"
    fetched = port104("fetch", RUN, 1, *manifest, "--folder", tmp_path, env=environment(server.endpoint))
    assert fetched.returncode == 1
    assert "holds other bytes than it was given: s3://bucket/site/n1/a.dcm" in fetched.stderr
    assert not (tmp_path / "manifest.json").exists()


def test_a_file_that_cannot_be_read_is_not_named(server, tmp_path):
    (tmp_path / "output").mkdir()
    env = environment(server.endpoint)
    delivered = port104("deliver", RUN, 1, "--folder", tmp_path / "none", env=env)
    assert delivered.returncode == 0  # nothing was left there
    tmp_path.joinpath("output", "Jane").mkdir()
    unwritable = port104("fetch", RUN, 1, *give(server.objects), "--folder", tmp_path / "none", env=env)
    assert unwritable.returncode == 1
    assert "No such file or directory: is there room on the node's disk" in unwritable.stderr


def test_without_a_store_it_says_how_to_name_one(tmp_path):
    done = port104("deliver", RUN, 1, "--folder", tmp_path, env={})
    assert done.returncode == 2
    assert "name its bucket in PORT104_OBJECTSTORE__URL" in done.stderr


@pytest.mark.peer
def test_a_real_store_takes_and_gives_the_same(seaweedfs, tmp_path):
    bucket = seaweedfs.new_bucket()
    settings = {"URL": bucket["url"], "ACCESSKEYID": bucket["accessKeyId"]}
    env = environment(bucket["endpoint"], **settings, SECRETACCESSKEY=bucket["secretAccessKey"])
    name = bucket["url"].split("/")[2]
    objects = {}
    give(objects)
    objects[f"{AT}/manifest.json"] = objects[f"{AT}/manifest.json"].replace(
        b"s3://bucket/", f"s3://{name}/".encode()
    )
    for key, content in objects.items():
        seaweedfs.put(bucket, key, content)
    manifest = objects[f"{AT}/manifest.json"]
    flags = ("--size", len(manifest), "--sha256", hashlib.sha256(manifest).hexdigest())
    assert port104("fetch", RUN, 1, *flags, "--folder", tmp_path, env=env).returncode == 0
    large = b"0123456789abcdef" * 2_000_000  # goes in parts
    (tmp_path / "output" / "large").write_bytes(large)
    delivered = port104("deliver", RUN, 1, "--folder", tmp_path, env=env)
    assert (delivered.returncode, delivered.stderr) == (0, "port104: delivered 1 files, 32000000 bytes\n")
    assert seaweedfs.contents(bucket)[f"{AT}/output/0"] == large

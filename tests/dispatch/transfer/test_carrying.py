"""A payload is fetched as it was listed, and an output delivered as it was left, or neither is."""

import contextlib
import hashlib
import json
import os
import socket

import pytest

from memory_objects import AWAY, MemoryObjects
from port104.dispatch import results
from port104.dispatch.results import FaultyResultsError
from port104.dispatch.transfer.delivering import deliver_output
from port104.dispatch.transfer.documents import FaultyDocumentError, read_delivery
from port104.dispatch.transfer.fetching import fetch_payload
from port104.dispatch.transfer.patience import Patience
from port104.dispatch.transfer.shelf import Shelf
from port104.objects.faults import DamagedObjectError, MissingObjectError, ObjectStoreError

SHELF = Shelf("site/", "00000000000000a1", 2)
AT = "site/runs/00000000000000a1/2"


@pytest.fixture
def store():
    return MemoryObjects()


@pytest.fixture
def patience():
    return Patience(0, lambda _: None)


def give(store, *contents):
    """Put instances and their manifest there; returns its size and digest."""
    instances = []
    for number, content in enumerate(contents):
        key = f"site/n1/{number}.dcm"
        store.objects[key] = content
        digest = hashlib.sha256(content).hexdigest()
        facts = {"object": f"s3://bucket/{key}", "size": len(content), "sha256": digest}
        instances.append({"file": f"dcm/1.2.{number}.dcm", **facts})
    manifest = json.dumps({"version": 1, "instances": instances}).encode()
    store.objects[SHELF.manifest] = manifest
    return len(manifest), hashlib.sha256(manifest).hexdigest()


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# ---- what it is given ----


def test_a_payload_is_what_was_listed(store, tmp_path, patience):
    manifest = give(store, b"one", b"two!")
    assert fetch_payload(store, SHELF, manifest, tmp_path, patience, 4) == (2, 7)
    assert files(tmp_path) == {
        "dcm/1.2.0.dcm": b"one",
        "dcm/1.2.1.dcm": b"two!",
        "manifest.json": store.objects[f"{AT}/manifest.json"],
    }
    assert (tmp_path / "output").is_dir()


def test_done_again_it_fetches_nothing_twice_and_empties_the_output(store, tmp_path, patience):
    manifest = give(store, b"one", b"two")
    fetch_payload(store, SHELF, manifest, tmp_path, patience, 4)
    (tmp_path / "output" / "of-the-first-time").write_bytes(b"x")
    del store.objects["site/n1/0.dcm"]
    fetch_payload(store, SHELF, manifest, tmp_path, patience, 4)
    assert files(tmp_path).keys() == {"dcm/1.2.0.dcm", "dcm/1.2.1.dcm", "manifest.json"}


def test_a_payload_that_is_not_whole_has_no_manifest(store, tmp_path, patience):
    manifest = give(store, b"one", b"two")
    store.objects["site/n1/1.dcm"] = b"tw?"
    with pytest.raises(DamagedObjectError):
        fetch_payload(store, SHELF, manifest, tmp_path, patience, 4)
    del store.objects["site/n1/1.dcm"]
    with pytest.raises(MissingObjectError):
        fetch_payload(store, SHELF, manifest, tmp_path, patience, 4)
    store.faults = {"site/n1/1.dcm": AWAY}
    with pytest.raises(ObjectStoreError):
        fetch_payload(store, SHELF, manifest, tmp_path, patience, 4)
    assert not (tmp_path / "manifest.json").exists()


def test_another_manifest_than_the_one_that_was_told_is_not_taken(store, tmp_path, patience):
    size, _ = give(store, b"one")
    with pytest.raises(DamagedObjectError):
        fetch_payload(store, SHELF, (size, "0" * 64), tmp_path, patience, 4)
    assert files(tmp_path) == {}


# ---- what it leaves ----


@pytest.fixture
def output(tmp_path):
    made = tmp_path / "output"
    made.mkdir()
    return made


def test_an_output_is_listed_once_it_is_stored(store, tmp_path, output, patience):
    (output / "below").mkdir()
    (output / "empty").mkdir()
    left = {"a.dcm": b"a", "below/b.dcm": b"bb", "results.json": b"{}", "none": b""}
    for name, content in left.items():
        (output / name).write_bytes(content)
    assert deliver_output(store, SHELF, tmp_path, patience, 4) == (4, 5)
    delivery = read_delivery(store.objects[f"{AT}/delivery.json"])
    assert delivery.whole
    stored = {each.file: store.objects[SHELF.output(number)] for number, each in enumerate(delivery.files)}
    assert stored == left
    assert {each.sha256 for each in delivery.files} == {
        hashlib.sha256(content).hexdigest() for content in left.values()
    }
    assert (store.put_keys[0], store.put_keys[-1]) == (SHELF.delivery, SHELF.delivery)


def test_nothing_left_is_delivered_too(store, tmp_path, output, patience):
    assert deliver_output(store, SHELF, tmp_path, patience, 4) == (0, 0)
    assert read_delivery(store.objects[SHELF.delivery]).whole


def test_links_and_devices_are_no_output(store, tmp_path, output, patience):
    """This step has credentials in its environment, and the pipeline chose where a link leads."""
    (tmp_path / "secret").write_bytes(b"of this step")
    (output / "link").symlink_to(tmp_path / "secret")
    (output / "environ").symlink_to("/proc/self/environ")
    (output / "folder").symlink_to(tmp_path)
    os.mkfifo(output / "pipe")
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as listening:
        listening.bind(str(output / "socket"))
    (output / "real").write_bytes(b"r")
    assert deliver_output(store, SHELF, tmp_path, patience, 4) == (1, 1)


def test_what_was_stored_of_it_is_known_where_the_store_goes_away(store, tmp_path, output, patience):
    for name in ("a", "b"):
        (output / name).write_bytes(name.encode())
    store.faults = {SHELF.output(1): AWAY}
    with pytest.raises(ObjectStoreError):
        deliver_output(store, SHELF, tmp_path, patience, 1)
    begun = read_delivery(store.objects[SHELF.delivery])
    assert (begun.whole, [each.file for each in begun.files]) == (False, ["a", "b"])


def test_more_files_than_a_run_may_leave_are_not_delivered(store, tmp_path, output, patience, monkeypatch):
    monkeypatch.setattr(results, "MOST_FILES", 1)
    for name in ("a", "b"):
        (output / name).write_bytes(b"x")
    with pytest.raises(FaultyResultsError, match="more than 1 files"):
        deliver_output(store, SHELF, tmp_path, patience, 4)
    assert store.objects == {}


def test_a_name_that_cannot_be_written_down_is_not_told(store, tmp_path, output, patience):
    (output / os.fsdecode(b"Jane\xff")).write_bytes(b"x")
    with pytest.raises(FaultyDocumentError, match=r"file 0 in output/ .* no UTF-8") as raised:
        deliver_output(store, SHELF, tmp_path, patience, 4)
    assert "Jane" not in str(raised.value)
    assert store.objects == {}

"""What is read from the object store is believed only where it cannot lead anywhere else."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from port104.dispatch.transfer import documents
from port104.dispatch.transfer.documents import (
    Delivery,
    FaultyDocumentError,
    Left,
    name_fault,
    objects_in,
    read_delivery,
    written,
)
from port104.objects.held import Held
from port104.objects.place import Place

PLACE = Place(bucket="bucket", prefix="site/")
DIGEST = "0a" * 32
INSTANCE = {"file": "dcm/1.2.3.dcm", "object": "s3://bucket/site/n1/a.dcm", "size": 5, "sha256": DIGEST}
HOSTILE = [
    *("", "/etc/passwd", "../x", "a/../../x", "a//b", "./a", "a/", "a/.", "nul\0", "a/" + "b" * 256),
    *("/".join(["d" * 200] * 6), "\udcff"),
]


def delivery_of(*files, **changes):
    listed = [{"file": file, "size": 1, "sha256": DIGEST} for file in files]
    return json.dumps({"version": 1, "whole": True, "files": listed} | changes).encode()


names = st.lists(
    st.text("abc.\u00e9", min_size=1, max_size=5).filter(lambda part: part not in {".", ".."}),
    min_size=1,
    max_size=3,
).map("/".join)


@given(st.lists(st.builds(Left, names, st.integers(0, 1 << 40), st.just(DIGEST)), max_size=5), st.booleans())
def test_what_is_written_is_read_or_contradicts_itself(files, whole):
    delivery = Delivery(whole=whole, files=tuple(files))
    paths = [each.file for each in files]
    below = any(one.startswith(f"{other}/") for one in paths for other in paths)
    contradicts = len({*paths}) < len(paths) or below
    if contradicts:
        with pytest.raises(FaultyDocumentError):
            read_delivery(written(delivery))
    else:
        assert read_delivery(written(delivery)) == delivery


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_that_leads_elsewhere_is_not_taken(name):
    assert name_fault(name) is not None
    if name.isprintable():
        with pytest.raises(FaultyDocumentError, match=r"^file 1: its name"):
            read_delivery(delivery_of("a", name))


@pytest.mark.parametrize("name", ["a", "...", "a/b.dcm", "results.json", "-rf", "d" * 255])
def test_any_other_name_is(name):
    assert name_fault(name) is None
    assert read_delivery(delivery_of(name)).files == (Left(name, 1, DIGEST),)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is not as port104 writes it"),
        (b"\xff", "it is not as port104 writes it"),
        (b"[]", "it is not as port104 writes it"),
        (b"{}", "it is not as port104 writes it"),
        (delivery_of("a", version=2), "it has version 2, and this port104 knows 1"),
        (delivery_of("a", "a"), "it lists a name twice"),
        (delivery_of("a/b", "a"), "file 0: it is below what is a file itself"),
        (delivery_of("a", "b", "c"), "it lists more than 2 files"),
        (
            delivery_of(files=[{"file": "a", "size": -1, "sha256": DIGEST}]),
            "file 0: its size or SHA-256 is none",
        ),
        (delivery_of(files=[{"file": "a", "size": 1}]), "file 0: its size or SHA-256 is none"),
        (delivery_of(files=[{"file": "a", "size": 1, "sha256": "X" * 64}]), "file 0: its size or SHA-256"),
    ],
)
def test_a_delivery_that_cannot_be_is_not_taken(monkeypatch, content, reason):
    monkeypatch.setattr(documents, "MOST_FILES", 2)
    with pytest.raises(FaultyDocumentError, match=reason):
        read_delivery(content)


def test_one_that_is_not_whole_needs_no_digests():
    begun = Delivery(whole=False, files=(Left("a", 1),))
    assert read_delivery(written(begun)) == begun


def test_a_name_that_no_document_can_hold_is_said_without_it():
    with pytest.raises(FaultyDocumentError, match=r"no UTF-8") as raised:
        written(Delivery(whole=False, files=(Left("Jane\udcff", 1),)))
    assert "Jane" not in str(raised.value)


def test_instances_are_found_by_their_objects():
    manifest = json.dumps({"version": 1, "instances": [INSTANCE]}).encode()
    assert objects_in(manifest, PLACE) == [("dcm/1.2.3.dcm", Held("site/n1/a.dcm", 5, DIGEST, ""))]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"file": "../x"}, "its name is no path"),
        ({"file": "output/x"}, "it is not in dcm/"),
        ({"file": "dcm"}, "it is not in dcm/"),
        ({"file": "dcm/a/b"}, "it is not in dcm/"),
        ({"object": ""}, "it has no object in the bucket bucket"),
        ({"object": "s3://other/a"}, "it has no object in the bucket bucket"),
        ({"size": -1}, "its size or SHA-256 is none"),
        ({"sha256": "x"}, "its size or SHA-256 is none"),
    ],
)
def test_an_instance_that_cannot_be_fetched_is_told_by_its_number(change, reason):
    manifest = json.dumps({"instances": [INSTANCE, INSTANCE | change]}).encode()
    with pytest.raises(FaultyDocumentError, match=f"^instance 1: {reason}"):
        objects_in(manifest, PLACE)

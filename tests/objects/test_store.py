"""Objects are stored and fetched as they are, or it is said what is wrong and what to do."""

import hashlib
import os
import ssl

import pytest
import trustme

from port104.errors import ConfigurationError
from port104.objects import store as store_module
from port104.objects.faults import DamagedObjectError, MissingObjectError, ObjectStoreError
from port104.objects.held import Held
from port104.objects.opening import open_object_store
from port104.objects.place import Place
from port104.objects.reasons import reason_of
from port104.objects.store import ObjectStore
from scripted_s3 import CUT, DAMAGE, HANG, OTHER_ETAG, TRUNCATE, ScriptedS3, error, serving_s3

CONTENT = b"an instance" * 1000


@pytest.fixture
def server():
    scripted = ScriptedS3()
    with serving_s3(scripted):
        yield scripted


@pytest.fixture
def opened(server):
    return ObjectStore(place_at(server.endpoint))


def place_at(endpoint, **facts):
    known = {"access_key_id": "us", "secret_access_key": "open sesame", "connect": 1.0, "request": 5.0}
    return Place(bucket="bucket", prefix="site/", endpoint=endpoint, **known | facts)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def put(opened, tmp_path, content=CONTENT, key="site/n1/a"):
    path = tmp_path / "instance"
    path.write_bytes(content)
    with path.open("rb") as file:
        return opened.put(key, file)


def test_what_is_put_is_there_and_can_be_fetched(opened, server, tmp_path):
    held = put(opened, tmp_path)
    digest = hashlib.sha256(CONTENT).hexdigest()
    assert held == Held("site/n1/a", len(CONTENT), digest, hashlib.md5(CONTENT).hexdigest())
    assert server.objects == {"site/n1/a": CONTENT}
    assert opened.has(held)
    opened.fetch(held, tmp_path / "fetched")
    assert (tmp_path / "fetched").read_bytes() == CONTENT
    assert (tmp_path / "fetched").stat().st_mode & 0o777 == 0o640
    opened.delete([held.key, "site/nothing"])
    assert not opened.has(held)
    with pytest.raises(MissingObjectError, match="has somebody removed it"):
        opened.fetch(held, tmp_path / "gone")
    assert names(tmp_path) == ["fetched", "instance"]


@pytest.mark.peer
@pytest.mark.parametrize("size", [0, 1, 5_000_000, 40_000_000])
def test_a_real_store_holds_the_same(seaweedfs, tmp_path, size):
    bucket = seaweedfs.new_bucket()
    place = Place(
        bucket=bucket["url"].split("/")[2],
        prefix="site/",
        endpoint=bucket["endpoint"],
        access_key_id=bucket["accessKeyId"],
        secret_access_key=bucket["secretAccessKey"],
    )
    opened, content = ObjectStore(place), os.urandom(size)
    opened.check("n1/node")
    held = put(opened, tmp_path, content)
    assert held.digest == hashlib.sha256(content).hexdigest()
    assert held.etag.endswith("-3") is (
        size > store_module.PART_BYTES
    )  # in parts, and believed without reading
    assert opened.has(held)
    assert seaweedfs.contents(bucket) == {"site/n1/a": content, "site/n1/node": b"port104\n"}
    opened.fetch(held, tmp_path / "fetched")
    assert (tmp_path / "fetched").read_bytes() == content
    opened.delete([held.key])
    assert not opened.has(held)


def test_where_the_word_of_the_store_is_another_one_the_object_is_read_back(opened, server, tmp_path):
    server.faults = {"PUT": [OTHER_ETAG], "HEAD": [OTHER_ETAG]}
    held = put(opened, tmp_path)
    assert held.etag == "0" * 32
    assert [method for method, _ in server.requests] == ["PUT", "GET"]
    assert not opened.has(held)  # it has changed its word: the object is another one


def test_an_object_that_is_refused_is_not_known_to_be_there(opened, server, tmp_path):
    held = put(opened, tmp_path)
    server.faults = {"HEAD": [error(403, "AccessDenied")]}  # as S3 does where no list is allowed
    assert not opened.has(held)
    assert opened.has(held)


def test_other_bytes_are_not_taken_for_the_same(opened, server, tmp_path):
    server.faults = {"PUT": [DAMAGE]}
    with pytest.raises(DamagedObjectError, match=r"s3://bucket/site/n1/a; check its disks"):
        put(opened, tmp_path)
    held = put(opened, tmp_path)
    server.faults = {"GET": [DAMAGE]}
    with pytest.raises(DamagedObjectError):
        opened.fetch(held, tmp_path / "fetched")
    assert names(tmp_path) == ["instance"]


@pytest.mark.parametrize(
    ("method", "fault", "words"),
    [
        ("PUT", error(500, "InternalError"), r"it refuses \(InternalError\)"),
        ("PUT", (500, b"oops"), "it answered with status 500"),
        ("PUT", error(503, "SlowDown"), "go more slowly"),
        ("PUT", error(403, "AccessDenied"), "it needs s3:PutObject"),
        ("PUT", error(403, "SignatureDoesNotMatch"), "check objectStore.secretAccessKey"),
        ("PUT", error(403, "InvalidAccessKeyId"), "check objectStore.accessKeyId"),
        ("PUT", error(404, "NoSuchBucket"), "make it, or correct objectStore.url"),
        ("PUT", CUT, "closed the connection without an answer"),
        ("PUT", HANG, "does not answer in time"),
        ("GET", CUT, "closed the connection without an answer"),
        ("GET", TRUNCATE, "broke off in the middle"),
        ("GET", error(503, "SlowDown"), "go more slowly"),
    ],
)
def test_what_is_wrong_with_the_store_is_said_in_a_line(server, tmp_path, method, fault, words):
    opened = ObjectStore(place_at(server.endpoint, request=0.3 if fault == HANG else 5.0))
    held = put(opened, tmp_path)
    server.faults = {method: [fault]}
    with pytest.raises(ObjectStoreError, match=words) as raised:
        put(opened, tmp_path) if method == "PUT" else opened.fetch(held, tmp_path / "fetched")
    text = str(raised.value)
    assert text.startswith(f"the object store at {server.endpoint} (bucket bucket) cannot be used: ")
    assert not {"\n", "sesame"} & set(text.split(" "))
    assert names(tmp_path) == ["instance"]


def test_a_store_is_checked_by_writing_and_reading(opened, server):
    opened.check("n1/node")
    assert server.objects == {"site/n1/node": b"port104\n"}
    server.faults = {"GET": [DAMAGE]}
    with pytest.raises(ObjectStoreError, match="something else than it was given"):
        opened.check("n1/node")


def test_nobody_listens():
    with pytest.raises(ObjectStoreError, match=r"nobody listens there: check objectStore.endpoint"):
        ObjectStore(place_at("http://127.0.0.1:1")).check("n1/node")


def test_a_certificate_must_be_signed_by_somebody_who_is_trusted(tmp_path):
    authority, stranger = trustme.CA(), trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    for name, each in (("authority", authority), ("stranger", stranger)):
        each.cert_pem.write_to_path(tmp_path / name)
    with serving_s3(ScriptedS3(), context) as endpoint:
        ObjectStore(place_at(endpoint, authorities=str(tmp_path / "authority"))).check("node")
        with pytest.raises(ObjectStoreError, match="certificateAuthorities"):
            ObjectStore(place_at(endpoint, authorities=str(tmp_path / "stranger"))).check("node")
        with pytest.raises(ObjectStoreError, match="No such file"):
            ObjectStore(place_at(endpoint, authorities=str(tmp_path / "nothing"))).check("node")
        (tmp_path / "empty").write_text("no certificate")
        with pytest.raises(ObjectStoreError, match="No certificates found"):
            ObjectStore(place_at(endpoint, authorities=str(tmp_path / "empty"))).check("node")


def test_tls_is_not_spoken_there(server):
    with pytest.raises(ObjectStoreError, match="does not speak TLS"):
        ObjectStore(place_at(server.endpoint.replace("http:", "https:"))).check("node")


def test_without_obstore_it_is_said_how_to_install_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "port104.objects.store", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'port104\[objectstore\]'"):
        open_object_store(Place(bucket="b"))


def test_credentials_that_are_nowhere_are_told_of_for_engines_and_for_jobs():
    said = reason_of("Generic S3 error: ... http://169.254.169.254/latest/api/token ... timed out\n\n...")
    assert "give objectStore.accessKeyId" in said
    assert "jobs.transfer.secret" in said

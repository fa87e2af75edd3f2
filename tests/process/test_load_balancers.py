"""Engines behind real load balancers, as docs/operations.md configures them: what it says there holds."""

import contextlib
import ssl
import time
import urllib.error
import urllib.request

import pytest

from engine_process import engine, free_port
from load_balancers import haproxy, nginx
from port104.wire.command import Status
from sender import Sender, image
from tls_peers import SecureSender, Site

pytestmark = pytest.mark.peer

KNOWN, UNKNOWN = "127.0.0.21", "127.0.0.22"
MANY = [f"127.0.0.{number}" for number in range(64, 96)]
PLACES = ("127.0.0.11", "127.0.0.12")
OK = 200
SCP = {
    "rejectUnknownSources": True,
    "sources": [{"aeTitle": "PEER", "hosts": [KNOWN, "127.0.0.64/27"]}],
    "proxyProtocol": {"from": ["127.0.0.1"]},
}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return Site(tmp_path_factory.mktemp("site"))


def answer_of(url, method="GET"):
    """The status that the API answers with."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=20) as answer:
            return answer.status
    except urllib.error.HTTPError as answer:
        return answer.code


@contextlib.contextmanager
def two_engines(folder, site, **settings):
    """Engines on addresses of their own (`place`, `tls_place`), with the API on one port of both."""
    api_port, engines, given = free_port(), [], settings.pop("scp", SCP)
    with contextlib.ExitStack() as stack:
        for place in PLACES:
            tls = {
                "enabled": True,
                "port": free_port(),
                "certificate": str(site.certificate),
                "key": str(site.key),
            }
            scp = {"host": None, "tls": tls} | given
            settings |= {"scp": scp, "api": {"host": place, "port": api_port}, "log": {"level": "debug"}}
            started = stack.enter_context(engine(folder / place, **settings))
            started.api = f"http://{place}:{api_port}"
            started.place, started.tls_place = f"{place}:{started.port}", f"{place}:{tls['port']}"
            started.wait_for(lambda api=started.api: answer_of(api + "/health/ready") == OK, 20)
            engines.append(started)
        yield engines


@pytest.fixture(scope="module")
def engines(tmp_path_factory, site):
    with two_engines(tmp_path_factory.mktemp("engines"), site) as started:
        yield started


@pytest.fixture(scope="module")
def strict_engines(tmp_path_factory, site):
    """Engines that know of no load balancer."""
    with two_engines(tmp_path_factory.mktemp("strict"), site, scp={}) as started:
        yield started


def port_of(engines):
    """As HAProxy is told where to ask for their health."""
    return f"port {engines[0].api.rpartition(':')[2]}"


def before(folder, engines, *, places="place", **changes):
    """HAProxy before engines, as the page has it, but that it asks more often for their health."""
    quick = {"port 5000": port_of(engines), "inter 2s": "inter 100ms"}
    return haproxy(folder, [getattr(each, places) for each in engines], quick | changes)


@pytest.fixture
def balanced(engines, tmp_path):
    with before(tmp_path, engines) as port:
        yield port


@pytest.fixture(params=["HAProxy, version 1", "HAProxy, version 2", "nginx"])
def any_balancer(request, engines, tmp_path):
    if request.param == "nginx":
        balancer = nginx(tmp_path, [each.place for each in engines])
    else:
        changes = {"send-proxy-v2": "send-proxy"} if request.param.endswith("1") else {}
        balancer = before(tmp_path, engines, **changes)
    with balancer as port:
        yield port


def send(port, *uids, study="1.2.3", kind=Sender, **facts):
    with kind(port, **facts) as sender:
        for uid in uids:
            assert sender.store(uid, image(uid, b"pixels", study=study)) == Status.SUCCESS
        sender.release()


def holder(engines, uid):
    """The one engine that has an instance."""
    [found] = [
        one for one in engines if any(uid.encode() in path.read_bytes() for path in one.stored_files())
    ]
    return found


def told(engines, event):
    return [entry for each in engines for entry in each.log_entries() if entry["event"] == event]


def wait_for_more(engines, event, count):
    engines[0].wait_for(lambda: len(told(engines, event)) > count)
    return told(engines, event)[count:]


def test_who_is_behind_the_load_balancer_is_judged(engines, any_balancer):
    released, rejected = (len(told(engines, f"association {how}")) for how in ("released", "rejected"))
    send(any_balancer, "1.2.3.1", address=KNOWN)
    [entry] = wait_for_more(engines, "association released", released)
    assert entry["address"] == KNOWN
    with pytest.raises(ConnectionError, match="PDU type 3, 00010103"):
        Sender(any_balancer, address=UNKNOWN)
    [entry] = wait_for_more(engines, "association rejected", rejected)
    assert entry["address"] == UNKNOWN


def test_a_source_sticks_to_an_engine_while_others_are_spread(engines, balanced):
    for number, address in enumerate(MANY, start=100):
        send(balanced, f"1.2.4.{number}", address=address)
    found = [holder(engines, f"1.2.4.{number}") for number, _ in enumerate(MANY, start=100)]
    assert set(found) == set(engines)
    for number, address in enumerate(MANY[:5]):
        send(balanced, f"1.2.5.{number}", address=address)
        assert holder(engines, f"1.2.5.{number}") is found[number]


def is_let_in(port, address):
    with contextlib.suppress(OSError), Sender(port, address=address) as sender:
        sender.release()
        return True
    return False


def test_an_engine_that_is_drained_is_left_out_until_that_is_undone(engines, balanced):
    send(balanced, "1.2.6.0", address=KNOWN)
    drained = holder(engines, "1.2.6.0")
    assert answer_of(drained.api + "/api/drain", "POST") == OK
    drained.wait_for(lambda: is_let_in(balanced, KNOWN))
    send(balanced, "1.2.6.1", address=KNOWN)
    assert holder(engines, "1.2.6.1") is not drained
    assert answer_of(drained.api + "/api/drain", "DELETE") == OK
    drained.wait_for(lambda: comes_to(drained, balanced))


def comes_to(server, port):
    count = len(told([server], "association released"))
    assert is_let_in(port, KNOWN)
    time.sleep(0.05)
    return len(told([server], "association released")) > count


def test_an_engine_that_is_gone_is_passed_by(tmp_path, engines):
    """By nginx too, which learns of it when it connects."""
    gone = f"{PLACES[1]}:{free_port()}"
    with nginx(tmp_path, [engines[0].place, gone]) as port:
        for number, address in enumerate(MANY[:8]):
            send(port, f"1.2.7.{number}", address=address)


def test_tls_passes_through_behind_the_header(tmp_path, engines, site):
    with before(tmp_path, engines, places="tls_place") as port:
        count = len(told(engines, "association released"))
        send(port, "1.2.8.1", address=KNOWN, kind=SecureSender, context=site.client())
        [entry] = wait_for_more(engines, "association released", count)
        assert entry["address"] == KNOWN


def test_looks_at_the_port_are_logged_at_level_debug_only(tmp_path, engines):
    """HAProxy's own, which open a connection, tell that they speak for nobody, and close it."""
    known = [len(each.log_entries()) for each in engines]
    with before(tmp_path, engines, **{"option httpchk GET /health/ready": "", f" {port_of(engines)}": ""}):
        engines[0].wait_for(lambda: len(engines[0].log_entries()) > known[0] + 2)
    entries = [
        entry for each, count in zip(engines, known, strict=True) for entry in each.log_entries()[count:]
    ]
    assert {entry["level"] for entry in entries} == {"debug"}, entries


def test_an_idle_limit_of_the_load_balancer_looks_like_a_lost_connection(tmp_path, engines):
    lost = len(told(engines, "association connection lost"))
    with before(tmp_path, engines, **{"10m": "100ms"}) as port, Sender(port, address=KNOWN) as sender:
        with pytest.raises(EOFError):
            sender.response()
        assert wait_for_more(engines, "association connection lost", lost)[0]["address"] == KNOWN


@pytest.mark.parametrize(
    ("places", "kind", "event"),
    [("place", Sender, "PROXY header refused"), ("tls_place", SecureSender, "TLS handshake failed")],
)
def test_one_that_is_not_listed_is_refused_and_told_of(tmp_path, strict_engines, site, places, kind, event):
    facts = {"context": site.client()} if kind is SecureSender else {}
    with before(tmp_path, strict_engines, places=places) as port:
        with pytest.raises((EOFError, ConnectionError, ssl.SSLError)):
            kind(port, address=KNOWN, **facts)
        entry, *_ = wait_for_more(strict_engines, event, 0)
        assert entry["level"] == "warning"
        assert "dicom.scp.proxyProtocol.from" in entry["hint"]


def test_one_that_is_listed_and_says_nothing_is_refused_and_told_of(tmp_path, engines):
    refused = len(told(engines, "PROXY header refused"))
    with before(tmp_path, engines, **{" send-proxy-v2": ""}) as port:
        with pytest.raises((EOFError, ConnectionError)):
            Sender(port, address=KNOWN)
        [entry] = wait_for_more(engines, "PROXY header refused", refused)
        assert entry["hint"].endswith("take it out of dicom.scp.proxyProtocol")


def test_a_study_that_comes_to_two_engines_behind_it_is_one_job(tmp_path, site, postgres):
    runs = tmp_path / "runs"
    runs.mkdir()
    settings = {
        "scp": SCP
        | {"aeTitles": [{"aeTitle": "PORT104", "processorSettings": {"timeout": 2, "pipeline-put": "c0"}}]},
        "pipelines": [{"name": "put", "id": "c0", "folder": str(runs)}],
        "registry": {"url": postgres.new_url()},
    }
    with two_engines(tmp_path, site, **settings) as engines, before(tmp_path, engines) as port:
        uids = [f"1.2.9.{number}" for number in range(100, 100 + len(MANY))]
        for uid, address in zip(uids, MANY, strict=True):
            send(port, uid, address=address)
        assert {holder(engines, uid) for uid in uids} == set(engines)
        engines[0].wait_for(lambda: list(runs.glob("[!.]*")), 20)
        [put] = runs.glob("[!.]*")
        assert len(list(put.glob("dcm/*.dcm"))) == len(uids)

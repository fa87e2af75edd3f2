"""Foreign peers over TLS, against the real service: DCMTK, and an own certificate for each AE title."""

import signal

import pydicom
import pytest

from corpus import corpus
from engine_process import engine, free_port
from peers import run_peer
from stored import data_set_of
from tls_peers import HOST, Site

pytestmark = pytest.mark.peer


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return Site(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def server(tmp_path_factory, site):
    site.issue("ct1")
    port = free_port()
    tls = {
        "enabled": True,
        "port": port,
        "certificate": str(site.certificate),
        "key": str(site.key),
        "clientCertificateAuthorities": str(site.authorities),
    }
    sources = [{"aeTitle": "CT1", "hostIp": HOST, "certificateFingerprints": [site.fingerprint("ct1")]}]
    folder = tmp_path_factory.mktemp("tls") / "storage"
    with engine(folder, scp={"tls": tls, "sources": sources}) as started:
        started.tls_port = port
        yield started
        assert started.terminate() == 0


def secure(site, name="ct1"):
    certificate, key = site.folder / f"{name}.pem", site.folder / f"{name}-key.pem"
    return ["+tls", key, certificate, "+cf", site.authorities]


def test_storescu_delivers_over_tls(server, site):
    files = [one.path for one in corpus() if one.path.name in {"CT_small.dcm", "MR_small.dcm"}]
    assert files
    code, output = run_peer(
        "storescu", "-v", *secure(site), "-aet", "CT1", "-aec", "PORT104", HOST, server.tls_port, *files
    )
    assert code == 0, output
    stored = {pydicom.dcmread(path).SOPInstanceUID: path for path in server.stored_files()}
    for path in files:
        sent = pydicom.dcmread(path)
        assert data_set_of(stored[sent.SOPInstanceUID])
        assert pydicom.dcmread(stored[sent.SOPInstanceUID]).PixelData == sent.PixelData


@pytest.mark.parametrize(
    ("over_tls", "calling", "certificate", "accepted"),
    [
        (True, "CT1", "ct1", True),
        (True, "CT1", "other", False),
        (True, "CT2", "other", True),
        (False, "CT1", None, False),
        (False, "CT2", None, True),
    ],
)
def test_an_ae_title_is_bound_to_its_certificate(server, site, over_tls, calling, certificate, accepted):
    if certificate == "other":
        site.issue("other")
    options = secure(site, certificate) if over_tls else []
    port = server.tls_port if over_tls else server.port
    code, output = run_peer("echoscu", "-v", *options, "-aet", calling, "-aec", "PORT104", HOST, port)
    assert (code == 0) is accepted, output
    if not accepted:
        assert "Calling AE Title Not Recognized" in output
        # The line comes once the connection is closed.
        server.wait_for(lambda: any("certificate" in one.get("reason", "") for one in server.log_entries()))


def test_sighup_reads_the_files_again(server):
    def reloads():
        return sum(one["event"] == "TLS files read again" for one in server.log_entries())

    before = reloads()
    server.process.send_signal(signal.SIGHUP)
    server.wait_for(lambda: reloads() > before)
    assert server.listens()

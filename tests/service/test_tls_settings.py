"""Settings of the TLS port: what contradicts itself is said before anything is opened."""

import json

import pytest

from port104.service.configuration import FaultyConfigurationError, load
from port104.service.registration import defaults_from


def loaded(tmp_path, **scp):
    file = tmp_path / "port104.json"
    file.write_text(json.dumps({"dicom": {"scp": scp}}))
    return load(file, {}, {}).settings


SECURE = {"enabled": True, "certificate": "c.pem"}


def test_the_port_may_be_beside_the_plain_one_or_instead_of_it(tmp_path):
    beside = loaded(tmp_path, tls=SECURE).dicom.scp
    assert (beside.port, beside.tls.port) == (104, 2762)
    instead = loaded(tmp_path, port=None, tls=SECURE).dicom.scp
    assert (instead.port, instead.tls.port) == (None, 2762)


@pytest.mark.parametrize(
    ("scp", "words"),
    [
        ({"tls": {"enabled": True}}, "dicom.scp.tls.certificate: it is required where TLS is enabled"),
        (
            {"tls": SECURE | {"requireClientCertificate": True}},
            "requireClientCertificate: it needs clientCertificateAuthorities",
        ),
        ({"tls": SECURE | {"minimumVersion": "1.1"}}, "expected one of 1.2, 1.3"),
        ({"port": None}, "there is nothing to listen on"),
        ({"port": 2762, "tls": SECURE}, "dicom.scp.tls.port: it is the port without TLS too, 2762"),
        (
            {"tls": SECURE, "sources": [{"aeTitle": "A", "hostIp": "::1", "certificateNames": ["a"]}]},
            "dicom.scp.sources[0]: no peer can show a certificate",
        ),
        (
            {"sources": [{"aeTitle": "A", "hostIp": "::1", "certificateFingerprints": ["ab:cd"]}]},
            "64 hexadecimal digits",
        ),
    ],
)
def test_a_contradiction_is_a_fault(tmp_path, scp, words):
    with pytest.raises(FaultyConfigurationError) as caught:
        loaded(tmp_path, **scp)
    assert words in str(caught.value)


def test_what_one_source_leaves_out_another_may_give(tmp_path):
    file = tmp_path / "port104.json"
    file.write_text(json.dumps({"dicom": {"scp": {"tls": {"certificate": "c.pem"}}}}))
    environment = {"PORT104_DICOM__SCP__TLS__ENABLED": "true", "PORT104_DICOM__SCP__PORT": "null"}
    assert load(file, environment, {}).settings.dicom.scp.port is None


def test_fingerprints_and_names_are_compared_however_they_are_written(tmp_path):
    source = {"aeTitle": "A", "hostIp": "::1", "certificateNames": ["CT1.Local"]}
    source["certificateFingerprints"] = [":".join(["AB"] * 32)]
    tls = SECURE | {"clientCertificateAuthorities": "a.pem"}
    (kept,) = defaults_from(loaded(tmp_path, tls=tls, sources=[source]), {})
    assert kept.entry.certificate_fingerprints == {"ab" * 32}
    assert kept.entry.certificate_names == {"ct1.local"}

"""The files of the TLS port: what is wrong with them is said, and a wrong one never replaces a good one."""

import datetime as dt
import ssl
import time

import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from port104.errors import ConfigurationError
from port104.net.credentials import Credentials
from tls_peers import Site

NOW = time.time()


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


def encrypted(site, password):
    key = serialization.load_pem_private_key(site.key.read_bytes(), None)
    path = site.folder / "encrypted.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(password),
        )
    )
    return path


def written(site, name, content):
    path = site.folder / name
    path.write_bytes(content)
    return path


FAULTS = {
    "missing": (
        lambda site: {"certificate": site.folder / "none.pem"},
        "none.pem cannot be read: No such file",
    ),
    "folder": (lambda site: {"authorities": site.folder}, "cannot be read: Is a directory"),
    "not PEM": (
        lambda site: {"certificate": written(site, "x.pem", b"x")},
        "x.pem holds no certificate in PEM",
    ),
    "broken PEM": (
        lambda site: {"certificate": written(site, "x.pem", site.certificate.read_bytes()[:300])},
        "x.pem cannot be read",
    ),
    "DER": (
        lambda site: {
            "certificate": written(site, "x.der", ssl.PEM_cert_to_DER_cert(site.authorities.read_text()))
        },
        "openssl x509 -inform DER",
    ),
    "no key": (lambda site: {"key": site.certificate}, "server.pem holds no private key"),
    "key left out": (lambda site: {"key": None}, "server.pem holds no private key"),
    "another key": (lambda site: {"key": site.issue("other")[1]}, "do not belong together"),
    "broken key": (
        lambda site: {"key": written(site, "x.pem", site.key.read_bytes()[:100])},
        "the key in .*x.pem cannot be read",
    ),
    "key of a kind that peers do not know": (
        lambda site: {
            "key": written(
                site,
                "x.pem",
                ed25519.Ed25519PrivateKey.generate().private_bytes(
                    serialization.Encoding.PEM,
                    serialization.PrivateFormat.PKCS8,
                    serialization.NoEncryption(),
                ),
            )
        },
        "neither RSA nor elliptic curve",
    ),
    "no password": (lambda site: {"key": encrypted(site, b"secret")}, "is encrypted: name a `passwordFile`"),
    "wrong password": (
        lambda site: {"key": encrypted(site, b"secret"), "password": written(site, "p", b"wrong")},
        "cannot be read with the password in",
    ),
    "authorities not PEM": (lambda site: {"authorities": site.key}, "server-key.pem holds no certificate"),
}


@pytest.mark.parametrize("case", FAULTS.values(), ids=FAULTS)
def test_a_file_that_cannot_be_used_is_named_with_the_reason(site, case):
    changes, words = case
    with pytest.raises(ConfigurationError, match=words) as caught:
        Credentials(site.files(**changes(site)), NOW)
    assert "secret" not in str(caught.value)
    assert "wrong" not in str(caught.value)


def test_one_file_may_hold_both_and_a_key_may_be_encrypted(site):
    both = written(site, "both.pem", site.certificate.read_bytes() + site.key.read_bytes())
    Credentials(site.files(certificate=both, key=None), NOW)
    password = written(site, "password", b"secret\n")
    Credentials(site.files(key=encrypted(site, b"secret"), password=password), NOW)


@pytest.mark.parametrize(
    ("days", "words"), [(-1, "has expired"), (10, "expires soon"), (29, "expires soon"), (31, None)]
)
def test_a_certificate_near_its_end_is_warned_of(site, logged, days, words):
    ends = dt.datetime.now(dt.UTC) + dt.timedelta(days=days)
    certificate, key = site.issue("ending", not_after=ends)
    Credentials(site.files(certificate=certificate, key=key), NOW)
    events = [one["event"] for one in logged]
    assert len(events) == (words is not None)
    assert words is None or words in events[0]


def test_files_are_read_again_when_they_change_or_when_asked(site, logged):
    credentials = Credentials(site.files(), NOW)
    first = credentials.context
    assert not credentials.reload(NOW)
    assert credentials.context is first
    assert credentials.reload(NOW, force=True)
    second = credentials.context
    assert second is not first
    site.authorities.write_bytes(trustme.CA().cert_pem.bytes() + site.authorities.read_bytes())
    assert credentials.reload(NOW)
    assert credentials.context is not second


def test_a_broken_file_leaves_the_old_one_in_use_and_is_logged_once(site, logged):
    credentials = Credentials(site.files(), NOW)
    first = credentials.context
    good = site.key.read_bytes()
    site.key.write_bytes(b"broken")
    assert not credentials.reload(NOW)
    assert not credentials.reload(NOW)
    assert credentials.context is first
    (entry,) = [one for one in logged if one["log_level"] == "error"]
    assert "server-key.pem holds no private key" in entry["reason"]
    site.key.unlink()
    assert not credentials.reload(NOW)
    site.key.write_bytes(good)
    assert credentials.reload(NOW)
    assert credentials.context is not first

"""What is wrong with the settings of an object store, and what they come to."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from port104.dispatch.desk import Desk
from port104.jobs.ledger.ledger import Ledger
from port104.registry.registry import Registry
from port104.service.configuration import FaultyConfigurationError, load
from port104.service.object_store import carrier_of, object_storage_of
from port104.service.site import Site

URL = {"PORT104_OBJECTSTORE__URL": "s3://imaging/site"}


def settings_of(**variables):
    given = {f"PORT104_OBJECTSTORE__{name.upper()}": value for name, value in variables.items()}
    return load(None, URL | given, {}).settings.object_store


def storage_of(settings):
    return object_storage_of(settings, Site(Desk(Ledger(None, "n1")), Path("/payloads"), "n1", Registry))


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"endpoint": "http://minio.example:9000"}, "have patients' data go unencrypted: use https://"),
        ({"accesskeyid": "us"}, "it needs objectStore.secretAccessKey"),
        ({"secretaccesskey": "open sesame"}, "it needs objectStore.accessKeyId"),
        ({"url": "https://imaging.example"}, "expected a bucket"),
        ({"parallelrequests": "0"}, "0"),
    ],
)
def test_what_cannot_be_is_a_fault_and_no_secret_is_told(variables, words):
    with pytest.raises(FaultyConfigurationError) as raised:
        settings_of(**variables)
    assert words in str(raised.value)
    assert "sesame" not in str(raised.value)


def test_a_secret_may_stand_in_a_file(tmp_path):
    (tmp_path / "secret").write_text("open sesame\n")
    found = settings_of(accesskeyid="us", secretaccesskey_file=str(tmp_path / "secret"))
    assert found.secret_access_key == "open sesame"


def test_the_place_is_what_the_settings_say():
    storage = storage_of(
        settings_of(endpoint="http://127.0.0.1:9000", allowhttp="true", pathstyle="false", region="eu-1")
    )
    place = storage.uploader._store.place
    assert (place.bucket, place.prefix, place.endpoint) == ("imaging", "site/", "http://127.0.0.1:9000")
    assert (place.region, place.path_style, place.access_key_id) == ("eu-1", False, None)


def test_without_a_url_there_is_none():
    assert storage_of(load(None, {}, {}).settings.object_store) is None


# ---- what the steps of Jobs are told ----

JOBS = {"PORT104_JOBS__KUBERNETES": "true"}


def access_of(**environ):
    carrier = carrier_of(load(None, URL | JOBS | environ, {}).settings)
    return carrier.access


def test_steps_of_jobs_are_told_of_the_store_and_of_no_key():
    access = access_of(
        PORT104_OBJECTSTORE__ENDPOINT="https://minio.example:9000",
        PORT104_OBJECTSTORE__ACCESSKEYID="us",
        PORT104_OBJECTSTORE__SECRETACCESSKEY="open sesame",
        PORT104_OBJECTSTORE__CERTIFICATEAUTHORITIES="/run/ca.pem",
        PORT104_JOBS__TRANSFER__SECRET="port104-s3",
        PORT104_JOBS__TRANSFER__ACCESSKEYIDKEY="id",
        PORT104_JOBS__TRANSFER__IMAGE="mirror/port104:1",
    )
    assert "sesame" not in str(access)
    assert (access.secret, access.keys) == ("port104-s3", ("id", "secretAccessKey"))
    assert (access.image, access.authorities) == ("mirror/port104:1", "/run/ca.pem")
    told = {f"PORT104_OBJECTSTORE__{key}": value for key, value in access.settings.items()}
    read = load(None, told, {}).settings.object_store
    assert (read.url, read.endpoint) == ("s3://imaging/site", "https://minio.example:9000")


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "REGION": st.sampled_from(["eu-1", "us-east-1"]),
            "PATHSTYLE": st.sampled_from(["true", "false"]),
            "CONNECTTIMEOUT": st.sampled_from(["0.25", "30"]),
            "REQUESTTIMEOUT": st.sampled_from(["120", "7.5"]),
        },
    )
)
def test_they_are_told_what_holds_here(given_settings):
    environ = {f"PORT104_OBJECTSTORE__{key}": value for key, value in given_settings.items()}
    here = load(None, URL | environ, {}).settings.object_store
    told = {f"PORT104_OBJECTSTORE__{key}": value for key, value in access_of(**environ).settings.items()}
    assert load(None, told, {}).settings.object_store == here


def test_without_jobs_or_a_store_nobody_carries():
    assert carrier_of(load(None, URL, {}).settings) is None
    assert carrier_of(load(None, JOBS, {}).settings) is None

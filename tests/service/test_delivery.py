"""How results are delivered, by the settings."""

import pytest
from OpenSSL import SSL

from port104.errors import ConfigurationError
from port104.service.delivery import _tls_of, policy_of
from port104.service.settings.scu import CallingTlsSettings, ExportSettings, ScuSettings
from tls_peers import Site


def test_claras_keys_have_their_effect():
    export = ExportSettings(maximum_retries=0, retry_delay=1, give_up_after_hours=2, failure_threshold=0.25)
    policy = policy_of(ScuSettings(maximum_number_of_associations=3, export=export))
    assert (policy.attempts, policy.first_delay, policy.patience) == (1, 1, 7200)
    assert (policy.failure_threshold, policy.associations) == (0.25, 3)


def test_what_destinations_are_called_with_over_tls(tmp_path):
    site = Site(tmp_path)
    given = CallingTlsSettings(
        certificate_authorities=str(site.authorities), certificate=str(site.certificate), key=str(site.key)
    )
    assert isinstance(_tls_of(given), SSL.Context)
    assert isinstance(_tls_of(CallingTlsSettings()), SSL.Context)
    with pytest.raises(ConfigurationError, match=r"none\.pem"):
        _tls_of(CallingTlsSettings(certificate_authorities=str(tmp_path / "none.pem")))


@pytest.mark.parametrize("key", ["key", "password_file"])
def test_a_key_is_for_a_certificate(key):
    assert [*CallingTlsSettings(**{key: "x"}).faults()]
    assert not [*CallingTlsSettings(certificate="y", **{key: "x"}).faults()]

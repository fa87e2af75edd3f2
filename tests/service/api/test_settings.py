"""Settings of the API: what contradicts itself is said before anything is opened."""

import json

import pytest

from port104.service.configuration import FaultyConfigurationError, load


@pytest.mark.parametrize(
    ("api", "words"),
    [
        ({"port": 104}, "api.port: it is a port for DICOM too, 104"),
        ({"tls": {"key": "k.pem"}}, "api.tls.key: it needs api.tls.certificate"),
        ({"tls": {"passwordFile": "p"}}, "api.tls.passwordFile: it needs api.tls.certificate"),
    ],
)
def test_a_contradiction_is_a_fault(tmp_path, api, words):
    file = tmp_path / "port104.json"
    file.write_text(json.dumps({"api": api}))
    with pytest.raises(FaultyConfigurationError) as caught:
        load(file, {}, {})
    assert words in str(caught.value)

"""Where the API server is, as Kubernetes tells each pod."""

import pytest

from port104.cluster.place import Place, place_from
from port104.errors import ConfigurationError


def test_a_pod_knows_its_api_server(tmp_path):
    (tmp_path / "namespace").write_text("imaging\n")
    environ = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "6443"}
    expected = Place("https://10.96.0.1:6443", "imaging", tmp_path / "token", tmp_path / "ca.crt")
    assert place_from(environ, "jobs.kubernetes", tmp_path) == expected
    assert place_from({"KUBERNETES_SERVICE_HOST": "fd00::1"}, "x", tmp_path).url == "https://[fd00::1]:443"


def test_elsewhere_there_is_none(tmp_path):
    assert place_from({}, "x", tmp_path) is None


def test_a_pod_without_a_token_is_told_what_to_do(tmp_path):
    with pytest.raises(ConfigurationError, match=r"^jobs.kubernetes: .*automountServiceAccountToken: true"):
        place_from({"KUBERNETES_SERVICE_HOST": "10.96.0.1"}, "jobs.kubernetes", tmp_path)

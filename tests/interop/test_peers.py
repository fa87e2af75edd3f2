"""A foreign peer that is missing may be skipped by a person, never by CI."""

import pytest

from peers import find_peer


def test_a_missing_peer_fails_in_ci(monkeypatch):
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="make peers"):
        find_peer("no-such-program")


def test_a_missing_peer_is_skipped_elsewhere(monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="make peers"):
        find_peer("no-such-program")

"""The limit on open files: what it leaves room for, and what is said where that is not enough."""

import resource

import pytest
import structlog

from port104.service.file_limit import connections_within, raise_file_limit


@pytest.fixture
def limits():
    """Let a test lower the soft limit only; the hard one could not be raised again."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield before
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize(
    ("free", "possible"),
    [(100_000, 6000), (7000, 6000), (6500, 5500), (2000, 1000), (1000, 500), (3, 2), (1, 1), (-5, 1)],
)
def test_part_files_get_a_descriptor_for_each_association_or_half(free, possible):
    assert connections_within(free, connections=6000, associations=1000) == possible


def test_the_soft_limit_is_raised(limits):
    _, hard = limits
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard // 2, hard))
    with structlog.testing.capture_logs() as logged:
        assert raise_file_limit(connections=10, associations=10) == 10
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)
    assert logged == []


def test_a_hard_limit_that_is_too_low_is_said(limits):
    _, hard = limits
    with structlog.testing.capture_logs() as logged:
        possible = raise_file_limit(connections=hard, associations=1000)
    (entry,) = logged
    assert possible < hard - 1000
    assert entry["log_level"] == "warning"
    assert entry["connections"] == possible
    assert (entry["limit"], entry["needed"] > hard + 1000) == (hard, True)
    assert "dicom.scp.maximumNumberOfConnections" in entry["hint"]

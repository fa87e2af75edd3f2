"""Settings and fixtures of all tests."""

import pytest
import structlog
import trio
from hypothesis import settings

from postgres_process import Postgres
from rabbitmq_process import RabbitMQ
from seaweedfs_process import SeaweedFS

# The same examples in every run, and no deadline on a machine that others share: a failure is the code's.
settings.register_profile("port104", derandomize=True, deadline=None)
settings.load_profile("port104")


@pytest.fixture(scope="session")
def postgres():
    """A PostgreSQL server for whoever needs one; each test takes a database of its own, by `new_url`."""
    with Postgres() as server:
        yield server


@pytest.fixture(scope="session")
def rabbitmq():
    """A RabbitMQ broker for whoever needs one; each test takes an exchange of its own, by `new_exchange`."""
    with RabbitMQ() as broker:
        yield broker


@pytest.fixture(scope="session")
def seaweedfs():
    """An object store for whoever needs one; each test takes a bucket of its own, by `new_bucket`."""
    with SeaweedFS() as server:
        yield server


@pytest.fixture
def logged():
    """What the test has logged, as structlog's dictionaries."""
    with structlog.testing.capture_logs() as entries:
        yield entries


@pytest.fixture
def no_threads(monkeypatch):
    """Worker threads' work done at once, so that the clock of the tests decides everything."""

    async def run_sync(work, *arguments, **_):
        await trio.lowlevel.checkpoint()
        return work(*arguments)

    monkeypatch.setattr(trio.to_thread, "run_sync", run_sync)

"""A short soak: that the long one (`make soak`) works, and that it would see what it is there for."""

import pytest

from ledger import copies_of
from port104.storage.store import instance_path
from soak.accounts import Accounts
from soak.campaign import SECURE, soak
from soak.flatness import PEERS, growth
from soak.lives import Use
from soak.peers import MIX
from soak.report import written

IDLE = Use(0.0, 70_000_000, 270, 8, 7)


@pytest.mark.slow
@pytest.mark.peer
def test_a_short_soak(tmp_path):
    outcome = soak(tmp_path / "storage", 8, 104)
    report = written(outcome)
    assert outcome.faults == [], report
    assert outcome.accounts.verified > 50
    assert {"steady", "slow", "breaking"} <= set(outcome.accounts.acknowledged)
    assert outcome.visits[SECURE] > 5
    assert outcome.messages > 50
    assert outcome.lives.started > 2
    assert all(f"| {kind.__name__} |" in report for kind in MIX)


@pytest.fixture
def accounts(tmp_path):
    return Accounts(tmp_path, budget=1_000_000)


def put(folder, instance, data_set):
    """A stored file."""
    path = instance_path(folder, "PORT104", instance)
    path.parent.mkdir(parents=True, exist_ok=True)
    meta = instance.encode()
    path.write_bytes(bytes(128) + b"DICM" + bytes(8) + len(meta).to_bytes(4, "little") + meta + data_set)


def acknowledge(accounts, data_set):
    instance = accounts.new_uid()
    accounts.sending(instance, data_set)
    accounts.success(instance, data_set)
    return instance


def test_what_is_there_is_verified(accounts, tmp_path):
    put(tmp_path, acknowledge(accounts, b"pixels"), b"pixels")
    accounts.check_all()
    assert (accounts.verified, accounts.faults) == (1, [])


@pytest.mark.parametrize("stored", [None, b"pixel", b"others"])
def test_a_loss_is_a_fault(accounts, tmp_path, stored):
    instance = acknowledge(accounts, b"pixels")
    if stored is not None:
        put(tmp_path, instance, stored)
    accounts.check_all()
    assert "acknowledged data sets lost" in accounts.faults[0]


def test_what_was_never_acknowledged_is_whole_or_absent(accounts, tmp_path):
    for stored in (b"pixels", b"pix"):
        instance = accounts.new_uid()
        accounts.sending(instance, b"pixels")
        put(tmp_path, instance, stored)
    accounts.sending(accounts.new_uid(), b"pixels")
    accounts.check_all()
    (fault,) = accounts.faults
    assert "bytes that nobody sent" in fault


def test_a_file_that_nobody_sent_is_a_fault(accounts, tmp_path):
    put(tmp_path, accounts.new_uid(), b"pixels")
    accounts.check_all()
    assert "stray file" in accounts.faults[0]


def test_what_is_over_the_budget_is_checked_and_taken_away(tmp_path, monkeypatch):
    accounts = Accounts(tmp_path, budget=10)
    monkeypatch.setattr("soak.accounts._SETTLED_SECONDS", 0.0)
    first, second = acknowledge(accounts, b"pixels"), acknowledge(accounts, b"others")
    put(tmp_path, first, b"pixels")
    put(tmp_path, second, b"others")
    accounts.check_oldest()
    assert accounts.verified == 1
    assert copies_of(tmp_path, "PORT104", first) == []
    accounts.check_all()
    assert (accounts.verified, accounts.faults) == (2, [])


def growing(**steps):
    """A hundred samples that grow from IDLE by so much at each."""
    return [
        IDLE._replace(**{name: getattr(IDLE, name) + step * index for name, step in steps.items()})
        for index in range(100)
    ]


def test_what_is_flat_is_no_fault():
    assert list(growth(growing(), IDLE, IDLE)) == []


@pytest.mark.parametrize("steps", [{"memory": 300_000}, {"descriptors": 1}, {"tasks": 1}, {"threads": 1}])
def test_what_grows_is_a_fault(steps):
    (name,) = steps
    assert [fault.split()[0] for fault in growth(growing(**steps), IDLE, IDLE)] == [name]


@pytest.mark.parametrize("name", ["tasks", "descriptors"])
def test_what_is_left_without_peers_is_a_fault(name):
    after = IDLE._replace(**{name: getattr(IDLE, name) + 3 * PEERS})
    (fault,) = growth(growing(), IDLE, after)
    assert f"{name} are left" in fault

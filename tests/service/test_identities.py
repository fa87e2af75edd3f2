"""User identities at run time: faults at the start, a file that changes, and who waits for a check."""

import threading
import time

import jwt
import pytest
import trio
import trio.testing

from cheap_hash import cheap
from port104.errors import ConfigurationError
from port104.registry.identity import Identified, Unidentified
from port104.registry.passcodes import encode
from port104.service import identities
from port104.service.identities import Busy, Identities, PasscodeFile, identities_from
from port104.service.settings.user_identity import TokenKeySettings, TokenSettings, UserIdentitySettings
from port104.wire.items import UserIdentity

RIGHT = UserIdentity(2, True, b"ct1", b"one")


def write(path, **passcodes):
    path.write_text(encode({name: cheap(word.encode()) for name, word in passcodes.items()}))
    return str(path)


def test_off_is_nothing():
    assert identities_from(UserIdentitySettings()) is None


async def test_a_user_of_the_file_is_known(tmp_path):
    file = write(tmp_path / "users", ct1="one")
    made = identities_from(UserIdentitySettings(mode="required", passcode_file=file))
    assert await made.judge(RIGHT) == Identified("ct1")
    assert isinstance(await made.judge(UserIdentity(2, True, b"ct1", b"two")), Unidentified)
    assert isinstance(await made.judge(None), Unidentified)


async def test_a_token_is_known(tmp_path):
    secret = "s" * 32
    (tmp_path / "secret").write_text(secret + "\n")
    keys = (TokenKeySettings(algorithm="HS256", file=str(tmp_path / "secret")),)
    settings = UserIdentitySettings(mode="required", tokens=TokenSettings(keys=keys, audience="port104"))
    token = jwt.encode({"sub": "ct2", "aud": "port104", "exp": time.time() + 60}, secret).encode()
    assert await identities_from(settings).judge(UserIdentity(5, False, token)) == Identified("ct2")


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"mode": "required"}, "nobody could be identified: give passcodeFile or tokens.keys"),
        ({"passcode_file": "missing"}, "passcodeFile: .*missing cannot be read: No such file"),
        ({"passcode_file": "faulty"}, "passcodeFile: .*faulty is faulty: line 1: it has no colon"),
        ({"tokens": {"audience": None}}, "tokens.audience is missing"),
        ({"tokens": {"file": "missing"}}, r"tokens.keys\[0\].file: .*missing cannot be read: No such file"),
        ({"tokens": {"file": "faulty"}}, r"tokens.keys\[0\].file: .*faulty: a secret for HS256 has at least"),
    ],
)
def test_a_fault_at_the_start_says_what_and_where(tmp_path, changes, fault):
    (tmp_path / "faulty").write_text("ct1")
    facts = {"mode": "optional"} | changes
    if "passcode_file" in facts:
        facts["passcode_file"] = str(tmp_path / facts["passcode_file"])
    if "tokens" in facts:
        file = str(tmp_path / facts["tokens"].get("file", "faulty"))
        keys = (TokenKeySettings(algorithm="HS256", file=file),)
        facts["tokens"] = TokenSettings(keys=keys, audience=facts["tokens"].get("audience", "port104"))
    with pytest.raises(ConfigurationError, match=fault):
        identities_from(UserIdentitySettings(**facts))


def test_a_file_that_changes_is_read_again_and_a_broken_one_is_not(tmp_path):
    path = tmp_path / "users"
    write(path, ct1="one")
    users = PasscodeFile(path)
    assert users.knows("ct1", b"one")
    write(path, ct1="another", ct2="two")
    assert not users.knows("ct1", b"one")
    assert users.knows("ct1", b"another")
    path.write_text("broken")
    assert users.knows("ct2", b"two")
    path.unlink()
    assert users.knows("ct2", b"two")
    write(path, ct2="three")
    assert users.knows("ct2", b"three")
    assert not users.knows("ct1", b"another")


class SlowCheck:
    """A check that takes until it is let go."""

    def __init__(self):
        self.go = threading.Event()
        self.running = 0
        self.most = 0

    def is_costly(self, identity):
        return True

    def judge(self, identity):
        self.running += 1
        self.most = max(self.most, self.running)
        self.go.wait(20)
        self.running -= 1
        return Identified("x")


async def test_checks_run_one_at_a_time_and_the_event_loop_goes_on(monkeypatch):
    monkeypatch.setattr(identities, "_MOST_WAITING", 2)
    check = SlowCheck()
    made = Identities(check)
    verdicts = []

    async def judge():
        verdicts.append(await made.judge(RIGHT))

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(judge)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(Busy):
            await made.judge(RIGHT)
        assert not verdicts
        check.go.set()
    assert verdicts == [Identified("x")] * 3
    assert check.most == 1


async def test_a_session_that_ends_does_not_wait_for_its_check():
    check = SlowCheck()
    with trio.move_on_after(0):
        await Identities(check).judge(RIGHT)
    check.go.set()

"""Host names of sources: asked for at once and again each minute, and nobody waits for one that is silent."""

import pytest
import trio

from port104.service import host_names
from port104.service.host_names import HostNames


class Resolver:
    """Answers as told; a name without an answer is never answered."""

    def __init__(self, **answers):
        self.answers = answers
        self.asked = []

    async def __call__(self, name):
        self.asked.append(name)
        answer = self.answers.get(name)
        if answer is None:
            await trio.sleep_forever()
        if isinstance(answer, OSError):
            raise answer
        return frozenset(answer)


class Heard:
    """Counts how often there was something else to know."""

    def __init__(self, resolver):
        self.times = 0
        self.names = HostNames(self.hear, resolver)

    def hear(self):
        self.times += 1


@pytest.fixture
async def heard(nursery):
    heard = Heard(Resolver(a=["10.0.0.1"], b=["10.0.0.2", "::2"], bad=OSError("no such name")))
    nursery.start_soon(heard.names.run)
    heard.resolver = heard.names._look_up
    return heard


async def test_new_names_are_looked_up_at_once_and_told_together(heard, autojump_clock):
    names = heard.names
    before = trio.current_time()
    names.want(["a", "b"])
    await names.settle(["a", "b"])
    assert names.addresses == {"a": {"10.0.0.1"}, "b": {"10.0.0.2", "::2"}}
    assert heard.times == 1
    assert trio.current_time() - before < 1


async def test_only_what_is_new_is_asked_for(heard, autojump_clock):
    heard.names.want(["a"])
    await heard.names.settle(["a"])
    heard.names.want(["a", "b"])
    await heard.names.settle(["b"])
    assert heard.resolver.asked == ["a", "b"]


async def test_all_are_asked_for_again_each_minute_however_often_some_are_new(heard, autojump_clock):
    for number in range(7):
        heard.resolver.answers[f"n{number}"] = ["::1"]
        heard.names.want(["a", f"n{number}"])
        await trio.sleep(20)
    assert heard.resolver.asked.count("a") == 3


async def test_an_address_that_changes_is_told_and_one_that_does_not_is_not(heard, autojump_clock):
    heard.names.want(["a"])
    await trio.sleep(130)
    assert heard.times == 1
    heard.resolver.answers["a"] = ["10.0.0.9"]
    await trio.sleep(60)
    assert heard.times == 2
    assert heard.names.addresses == {"a": {"10.0.0.9"}}


async def test_a_name_that_is_not_known_has_no_address(heard, autojump_clock):
    heard.names.want(["bad"])
    await heard.names.settle(["bad"])
    assert heard.names.addresses == {"bad": frozenset()}


async def test_a_silent_name_holds_up_no_other_and_nobody_for_long(heard, autojump_clock):
    heard.names.want(["silent"])
    before = trio.current_time()
    await heard.names.settle(["silent"])
    assert trio.current_time() - before == pytest.approx(host_names._PATIENCE_SECONDS)
    heard.names.want(["silent", "a"])
    await heard.names.settle(["a"])
    assert heard.names.addresses == {"a": {"10.0.0.1"}}
    await trio.sleep(200)
    assert heard.resolver.asked.count("silent") == 1


async def test_what_is_not_wanted_any_more_is_forgotten(heard, autojump_clock):
    heard.names.want(["a", "b"])
    await heard.names.settle(["a", "b"])
    heard.names.want(["b"])
    await trio.sleep(61)
    assert heard.names.addresses == {"b": {"10.0.0.2", "::2"}}
    assert heard.resolver.asked.count("a") == 1


async def test_the_systems_resolver_knows_this_machine():
    assert await host_names.addresses_of("127.0.0.1") == {"127.0.0.1"}

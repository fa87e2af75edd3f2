"""Files go once the object store holds them, and nothing is removed that is the last of its kind."""

import pytest
import trio

from arrivals import arrival, plan_by
from memory_objects import AWAY
from object_site import HOUR, ObjectSite
from port104.dispatch.caretaking import LOOK_SECONDS, Caretaker, Retention
from port104.objects.faults import ObjectStoreError
from stored_file import put

pytestmark = pytest.mark.usefixtures("no_threads")


@pytest.fixture
def site(tmp_path):
    made = ObjectSite(tmp_path)
    yield made
    made.database.close()


async def test_a_file_goes_in_its_time_or_when_space_is_low(autojump_clock, site):
    first, _ = await site.study(1)
    site.now += HOUR - 1
    second, _ = await site.study(2)
    assert await site.releaser.look(space_is_low=False) == 1
    assert (first.exists(), second.exists()) == (False, True)
    assert site.states() == ["released", "stored"]
    assert await site.releaser.look(space_is_low=False) == 0
    assert await site.releaser.look(space_is_low=True) == 1
    assert (second.exists(), site.states(), len(site.store.objects)) == (False, ["released"] * 2, 2)


async def test_null_has_files_stay_for_ever(autojump_clock, site):
    path, _ = await site.study(1)
    site.now += 1e9
    assert await site.keeping(None).look(space_is_low=True) == 0
    assert path.exists()


async def test_what_the_store_has_lost_stays_and_is_put_there_again(autojump_clock, site):
    path, _ = await site.study(1)
    kept = dict(site.store.objects)
    site.store.objects.clear()
    assert await site.releaser.look(space_is_low=True) == 0
    assert (path.exists(), site.states(), site.lost) == (True, ["waiting"], [True])
    await site.upload()
    assert site.store.objects == kept
    assert await site.releaser.look(space_is_low=True) == 1


async def test_nothing_is_lost_where_nothing_can_be_read(autojump_clock, site, monkeypatch):
    path, _ = await site.study(1)

    def refuse(_):
        raise AWAY

    monkeypatch.setattr(site.store, "has", lambda _: False)
    monkeypatch.setattr(site.store, "check", refuse)
    with pytest.raises(ObjectStoreError):
        await site.releaser.look(space_is_low=True)
    assert (path.exists(), site.states(), site.lost) == (True, ["stored"], [])


async def test_nothing_goes_while_the_store_is_away(autojump_clock, site):
    path, _ = await site.study(1)
    site.store.fault = AWAY
    with pytest.raises(ObjectStoreError):
        await site.releaser.look(space_is_low=True)
    assert (path.exists(), site.states()) == (True, ["stored"])


async def test_what_came_under_its_name_meanwhile_stays(autojump_clock, site):
    path, _ = await site.study(1)
    put(site.root, "1.2.3.1", written=site.now + 5)
    assert await site.releaser.look(space_is_low=True) == 0
    assert path.exists()


async def test_it_looks_each_minute_whatever_happens(autojump_clock, site):
    path, _ = await site.study(1)
    site.now += HOUR
    site.store.fault = AWAY
    async with trio.open_nursery() as nursery:
        nursery.start_soon(site.releaser.run, lambda: False)
        await trio.sleep(3 * LOOK_SECONDS + 1)
        assert path.exists()
        site.store.fault = None
        await trio.sleep(LOOK_SECONDS)
        assert not path.exists()
        nursery.cancel_scope.cancel()


async def test_what_others_took_the_place_of_leaves_the_store(autojump_clock, site):
    path, (file, _) = await site.study(1)
    (key,) = site.store.objects
    put(site.root, "1.2.3.1", written=site.now + 5)
    site.ledger.record([arrival(1, value="1", file=file, written=path.stat().st_mtime_ns, replaced=True)])
    site.now += 10
    site.ledger.close_due(now=site.ledger.now(), plan_of=lambda called, now: plan_by(called, {}, now))
    await site.upload()
    assert len(site.store.objects) == 2
    await site.releaser.look_for_replaced()
    assert (key in site.store.objects, len(site.store.objects), site.states()) == (False, 1, ["stored"])


# ---- what leaves port104 leaves the store ----


def caretaker(site):
    kept = Retention(succeeded=HOUR, failed=HOUR, instances=HOUR)
    return Caretaker(site.desk, site.root, lambda: kept, lambda: False, site.releaser.forget)


async def test_what_leaves_port104_leaves_the_store_first(autojump_clock, site):
    here, _ = await site.study(1)
    await site.study(2)
    await site.releaser.look(space_is_low=True)
    here_too, _ = await site.study(3)
    site.now += HOUR
    site.store.fault = AWAY
    assert await caretaker(site).look() == (0, 0)
    assert here_too.exists()
    site.store.fault = None
    assert await caretaker(site).look() == (0, 3)
    assert (site.store.objects, site.states(), here.exists(), here_too.exists()) == ({}, [], False, False)


async def test_what_a_failed_run_may_need_again_stays_there(autojump_clock, site):
    path, _ = await site.study(1, **{"pipeline-a": "A"})
    site.ledger.end(site.ledger.begin({"A": 1}), "failed", "exit code 1")
    assert await site.releaser.look(space_is_low=True) == 1
    site.now += 100 * HOUR
    assert await caretaker(site).look() == (1, 0)  # its folder went
    assert (len(site.store.objects), path.exists()) == (1, False)

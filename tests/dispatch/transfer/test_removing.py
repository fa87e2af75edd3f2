"""What runs left in the object store goes before their folders, and only that."""

import pytest

from memory_objects import AWAY, MemoryObjects
from port104.dispatch.transfer.documents import Delivery, Left, written
from port104.dispatch.transfer.removing import CONSIGNED, Remover, remove
from port104.dispatch.transfer.shelf import Shelf


@pytest.fixture
def store():
    made = MemoryObjects()
    made.objects["site/n1/00/a.1.dcm"] = b"an instance"
    return made


@pytest.fixture
def remover(tmp_path, store):
    return Remover(tmp_path, store)


def left(root, store, run, attempt=1, count=2, *, whole=True):
    """An attempt that ended, and what the store has of it."""
    folder = root / "runs" / run / str(attempt)
    folder.mkdir(parents=True)
    (folder / CONSIGNED).write_text("{}")
    shelf = Shelf("site/", run, attempt)
    for key in (shelf.manifest, *shelf.outputs(count)):
        store.objects[key] = b"x"
    files = tuple(Left(f"{number}", 1, "0" * 64) for number in range(count))
    store.objects[shelf.delivery] = written(Delivery(whole=whole, files=files))
    return folder


INSTANCES = {"site/n1/00/a.1.dcm"}


async def test_what_there_is_of_each_attempt_goes(remover, store, tmp_path):
    left(tmp_path, store, "a1")
    left(tmp_path, store, "a1", attempt=2, whole=False)
    left(tmp_path, store, "a2", count=0)
    (tmp_path / "runs" / "a3" / "1").mkdir(parents=True)
    assert await remover.clear(["a1", "a2", "a3", "a4"]) == ["a1", "a2", "a3", "a4"]
    assert store.objects.keys() == INSTANCES
    assert [*tmp_path.rglob(CONSIGNED)] == []


async def test_other_runs_keep_theirs(remover, store, tmp_path):
    left(tmp_path, store, "a1")
    await remover.clear(["a2"])
    assert len(store.objects) == 5
    assert [*tmp_path.rglob(CONSIGNED)]


async def test_while_the_store_is_away_the_folders_stay_of_runs_that_have_something_there(
    remover, store, tmp_path
):
    left(tmp_path, store, "a1")
    left(tmp_path, store, "a3")
    (tmp_path / "runs" / "a2" / "1").mkdir(parents=True)
    store.fault = AWAY
    assert await remover.clear(["a1", "a2", "a3"]) == ["a2"]
    store.fault = None
    assert await remover.clear(["a1", "a3"]) == ["a1", "a3"]
    assert store.objects.keys() == INSTANCES


@pytest.mark.parametrize("number", range(1, 9))
def test_what_was_cut_off_is_done_again(store, tmp_path, number):
    folder = left(tmp_path, store, "a1")
    asked, seen = store._asked, 0

    def ask(key=None):
        nonlocal seen
        seen += 1
        if seen == number:
            raise AWAY
        asked(key)

    store._asked = ask
    try:
        remove(store, Shelf("site/", "a1", 1), folder)
    except type(AWAY):
        if (folder / CONSIGNED).exists():
            remove(store, Shelf("site/", "a1", 1), folder)
        else:  # what is left then names nothing
            assert store.objects.pop(Shelf("site/", "a1", 1).delivery) == written(Delivery(whole=False))
    assert store.objects.keys() == INSTANCES


async def test_a_list_that_somebody_changed_holds_nothing_up(remover, store, tmp_path):
    left(tmp_path, store, "a1", count=0)
    store.objects[Shelf("site/", "a1", 1).delivery] = b"garbage"
    assert await remover.clear(["a1"]) == ["a1"]
    assert store.objects.keys() == INSTANCES

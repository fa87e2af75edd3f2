"""A program that receives: each instance is on the disk, answered and handed over, or the sender knows."""

import pytest
import trio

import port104
from part10_files import write_file
from port104.receiving import handing
from stored import data_set_of
from tls_peers import HOST, Site


async def ignore(_):
    await trio.lowlevel.checkpoint()


def serving(folder, handler=ignore, **options):
    return port104.serve(folder, handler, host=HOST, port=0, **options)


async def send(server, files, **options):
    async with port104.associate(*server.address, instances=files, **options) as association:
        for file in files:
            (await association.store(file)).check()


@pytest.fixture
def files(tmp_path):
    (tmp_path / "files").mkdir()
    return [write_file(tmp_path / "files", f"1.2.{number}", 2000) for number in range(3)]


async def test_each_instance_is_handed_over_with_who_sent_it(tmp_path, files):
    received = []

    async def handle(instance):
        await trio.lowlevel.checkpoint()
        received.append(instance)

    async with serving(tmp_path / "in", handle) as server:
        await send(server, files, calling_ae_title="CT1", called_ae_title="ARCHIVE")
        await send(server, files[:1])
    assert [(each.sop_instance_uid, each.calling_ae_title, each.called_ae_title) for each in received] == [
        ("1.2.0", "CT1", "ARCHIVE"),
        ("1.2.1", "CT1", "ARCHIVE"),
        ("1.2.2", "CT1", "ARCHIVE"),
        ("1.2.0", "PORT104", "ANY-SCP"),
    ]
    assert [each.address for each in received] == [HOST] * 4
    assert data_set_of(received[1].path).endswith(data_set_of(files[1])[-100:])


async def test_the_same_again_is_a_duplicate(tmp_path, files):
    received = []

    async def handle(instance):
        await trio.lowlevel.checkpoint()
        received.append(instance)

    async with serving(tmp_path / "in", handle) as server:
        for _ in range(2):
            await send(server, files[:1])
    assert [each.duplicate for each in received] == [False, True]


async def test_what_was_answered_when_the_block_ends_is_handled_first(tmp_path, files):
    handled, goes_on = [], trio.Event()

    async def handle(instance):
        await goes_on.wait()
        handled.append(instance.sop_instance_uid)

    async with serving(tmp_path / "in", handle) as server:
        await send(server, files)
        assert handled == []
        goes_on.set()
    assert handled == ["1.2.0", "1.2.1", "1.2.2"]


async def test_an_exception_of_the_handler_ends_the_block(tmp_path, files):
    async def handle(_):
        await trio.lowlevel.checkpoint()
        raise KeyError("no such patient")

    with pytest.RaisesGroup(pytest.RaisesExc(KeyError, match="no such patient"), flatten_subgroups=True):
        async with serving(tmp_path / "in", handle) as server:
            await send(server, files[:1])
            await trio.sleep_forever()
    async with serving(tmp_path / "in"):  # the folder and the port are free again
        pass


async def test_an_exception_of_the_program_aborts_associations(tmp_path, files):
    ends = []

    async def work(server):
        with pytest.raises(port104.AssociationError):  # noqa: PT012 - which of the calls meets it is open
            async with port104.associate(*server.address, instances=files) as association:
                ends.append(association)
                while True:
                    (await association.echo()).check()

    async with trio.open_nursery() as nursery:
        with pytest.RaisesGroup(ValueError, flatten_subgroups=True):
            async with serving(tmp_path / "in") as server:
                nursery.start_soon(work, server)
                while not ends:
                    await trio.sleep(0.001)
                raise ValueError


@pytest.mark.parametrize(
    ("options", "suspect"),
    [({"ae_titles": ["ARCHIVE"]}, port104.Suspect.CALLED_AE_TITLE), ({"callers": ["CT1"]}, "callingAeTitle")],
)
async def test_who_may_not_come_in(tmp_path, files, options, suspect):
    async with serving(tmp_path / "in", **options) as server:
        await send(server, files, calling_ae_title="CT1", called_ae_title="ARCHIVE")
        with pytest.raises(port104.RejectedError) as caught:
            await send(server, files, calling_ae_title="OTHER", called_ae_title="OTHER")
    assert (caught.value.suspect, caught.value.transient) == (suspect, False)


async def test_a_program_that_does_not_keep_up_has_others_come_later(tmp_path, files, monkeypatch):
    monkeypatch.setattr(handing, "MOST_WAITING", 2)
    goes_on = trio.Event()

    async def handle(_):
        await goes_on.wait()

    async with serving(tmp_path / "in", handle) as server:
        await send(server, files)  # one is being handled, two wait
        with pytest.raises(port104.RejectedError, match="temporary congestion") as caught:
            await send(server, files)
        assert caught.value.transient
        goes_on.set()


async def test_over_tls(tmp_path, files):
    (tmp_path / "site").mkdir()
    site = Site(tmp_path / "site")
    received = []

    async def handle(instance):
        await trio.lowlevel.checkpoint()
        received.append(instance.sop_instance_uid)

    context = port104.tls_context(authorities=site.authorities, own=None)
    async with serving(tmp_path / "in", handle, tls=site.files(authorities=None)) as server:
        await send(server, files, tls=context)
        with pytest.raises(port104.AssociationError):
            await send(server, files)
    assert received == ["1.2.0", "1.2.1", "1.2.2"]


async def test_what_cannot_be_served(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(port104.StorageError, match="cannot be made"):
        async with serving(tmp_path / "file" / "in"):
            pass
    async with serving(tmp_path / "in") as server:
        assert server.addresses == (server.address,)
        with pytest.raises(port104.Port104Error, match="in use"):
            async with serving(tmp_path / "in"):
                pass

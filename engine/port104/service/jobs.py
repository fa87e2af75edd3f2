"""Jobs of the running service: what came is grouped, groups become jobs, and their runs are carried out."""

from collections.abc import Callable

import msgspec
import trio

from port104.dispatch.backends.backend import Backend
from port104.dispatch.bookkeeping import Bookkeeper
from port104.dispatch.dispatching import Announcer, Dispatcher
from port104.dispatch.inquiring import Counter, Inquirer
from port104.registry.entries import Pipeline
from port104.service.by_registry import ByRegistry
from port104.service.object_store import ObjectStorage
from port104.service.site import Site


class Jobs(msgspec.Struct, frozen=True):
    """What makes them. `keeper`: writes down what came, and closes groups; `dispatcher`: carries out runs.

    `inquirer`: asks archives how many instances a group will have.
    """

    keeper: Bookkeeper
    inquirer: Inquirer
    dispatcher: Dispatcher

    async def run(self) -> None:
        """Make them until cancelled."""
        async with trio.open_nursery() as nursery:
            for each in (self.keeper, self.inquirer, self.dispatcher):
                nursery.start_soon(each.run)


def jobs_of(
    site: Site,
    backend_of: Callable[[Pipeline], Backend],
    counter: Counter,
    storage: ObjectStorage | None,
    *,
    patience: float | None,
    results_left: Callable[[], None],
    announcer: Announcer | None,
) -> Jobs:
    """Put it together. `counter`: asks archives; `storage`: the object store; None: there is none.

    The rest is as dispatching.Dispatcher has it.
    """
    by = ByRegistry(site.registry)
    dispatcher = Dispatcher(
        site.desk,
        site.node,
        site.root,
        site.registry,
        backend_of,
        by.destinations_of,
        results_left=results_left,
        announcer=announcer,
        payload_of=None if storage is None else storage.fetcher.make,
        patience=patience,
    )
    keeper = Bookkeeper(
        site.desk,
        site.root,
        by.rule_of,
        plan_of=by.plan_of,
        replaces=by.replaces,
        job_made=dispatcher.look,
        recorded=None if storage is None else storage.uploader.look,
    )
    inquirer = Inquirer(site.desk, by.asking, site.destinations, counter, keeper.look)
    return Jobs(keeper, inquirer, dispatcher)

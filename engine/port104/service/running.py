"""What of the running service follows the settings."""

from collections.abc import Callable, Collection, Mapping
from functools import partial

import trio

from port104.dispatch.bookkeeping import Bookkeeper
from port104.native import Intake
from port104.net.acceptor import Acceptor
from port104.registry.addresses import is_among, parse_network
from port104.service import logs
from port104.service.admission import Admission
from port104.service.audit.trail import AuditTrail
from port104.service.data_set_log import DataSetLog
from port104.service.identities import Identities, identities_from
from port104.service.limits import association_limits_of, limits_of
from port104.service.registrar import Registrar
from port104.service.settings.scp import ScpSettings
from port104.service.settings.storage import StorageSettings
from port104.service.settings.tree import Settings
from port104.service.settings.user_identity import UserIdentitySettings
from port104.storage.space import GIGABYTE, Watermarks
from port104.storage.store import InstanceStore
from port104.storage.stored import StoredInstance


class Running:
    """The parts that settings reach while port104 runs. `connections`: how many there is room for."""

    def __init__(
        self,
        *,
        admission: Admission,
        acceptor: Acceptor[Intake],
        registrar: Registrar,
        watermarks: Watermarks,
        store: InstanceStore,
        books: Bookkeeper,
        trail: AuditTrail | None,
        data_set_log: DataSetLog,
        connections: int,
    ) -> None:
        self._admission = admission
        self._acceptor = acceptor
        self._registrar = registrar
        self._watermarks = watermarks
        self._store = store
        self._books = books
        self._trail = trail
        self._data_set_log = data_set_log
        self._connections = connections

    async def follow(
        self, before: Settings, settings: Settings, origins: Mapping[str, str], *, files_too: bool
    ) -> None:
        """Work by `settings` instead of `before`: all that can change while port104 runs (reloading.py).

        `files_too`: files that they name are read again, also where the settings are the same. Raises
        ConfigurationError where one of those is wrong; then nothing has changed.
        """
        scp = settings.dicom.scp
        identities = self._admission.identities
        if files_too or scp.user_identity != before.dicom.scp.user_identity:
            identities = await _identities_from(scp.user_identity)
        await self._registrar.set_defaults(settings, origins)
        self._admission.follow(scp, identities)
        self._acceptor.follow(
            association_limits=association_limits_of(scp),
            limits=limits_of(scp, self._connections),
            trace_pdus=scp.log_data_pdus,
            is_proxy=proxies_of(scp),
        )
        self._watermarks.set(settings.storage.watermark_percent, reserve_of(settings.storage))
        self.tell_of_stored(scp)
        logs.set_level(settings.log.level)

    def tell_of_stored(self, scp: ScpSettings) -> None:
        """Have those told of each stored instance who are to hear of it."""
        told: list[Callable[[Collection[StoredInstance]], None]] = [self._books.stored]
        if self._trail is not None:
            told.append(self._trail.stored)
        if scp.log_dimse_datasets:
            told.append(self._data_set_log.add)

        def tell(instances: Collection[StoredInstance]) -> None:
            for each in told:
                each(instances)

        self._store.on_stored = tell if len(told) > 1 else told[0]


def proxies_of(scp: ScpSettings) -> Callable[[str], bool]:
    """Tell of an IP address whether its connections begin with a PROXY header."""
    return partial(is_among, networks=[parse_network(one) for one in scp.proxy_protocol.from_])


def reserve_of(storage: StorageSettings) -> int:
    """Bytes that stay free."""
    return int(storage.reserve_space_gb * GIGABYTE)


async def _identities_from(settings: UserIdentitySettings) -> Identities | None:
    """Read the files in a thread."""
    return await trio.to_thread.run_sync(identities_from, settings)

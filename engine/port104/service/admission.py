"""Who may come in: the registry's word on an association, the user's identity and the volume's room."""

from collections.abc import Callable
from typing import Protocol

from port104.net.certificates import PeerCertificate
from port104.net.contracts import Admitted, Commitments, Refused
from port104.registry import registry as registries
from port104.registry.identity import Identified, Unidentified
from port104.registry.registry import Refusal, Registry
from port104.service.identities import Busy, Identities
from port104.service.settings.scp import ScpSettings
from port104.storage.space import Room
from port104.storage.volume import VolumeWatch
from port104.wire.negotiation import NegotiationPolicy, Rejection, asks_for_storage
from port104.wire.pdu import AssociateRQ


class HasRegistry(Protocol):
    """Knows what holds now; a Registrar is one."""

    @property
    def registry(self) -> Registry:
        """By which the next association is judged."""
        ...


class Admission:
    """An acceptor's `Admit`. Each association is judged by the registry that holds when it comes."""

    def __init__(
        self,
        scp: ScpSettings,
        registrar: HasRegistry,
        watch: VolumeWatch,
        identities: Identities | None,
        commitments: Commitments,
        *,
        keeps_for_ever: bool,
        is_drained: Callable[[], bool],
    ) -> None:
        """`commitments`: answers for storage commitment. `keeps_for_ever`: instances are never removed.

        `is_drained`: whether nothing is to be stored here any more.
        """
        self._scp = scp
        self._registrar = registrar
        self._watch = watch
        self._commitments = commitments
        self._keeps_for_ever = keeps_for_ever
        self._is_drained = is_drained
        self.identities = identities
        """What judges the identities of users; None: nothing does."""

    def follow(self, scp: ScpSettings, identities: Identities | None) -> None:
        """Judge by these from now on."""
        self._scp = scp
        self.identities = identities

    async def __call__(
        self, request: AssociateRQ, address: str, certificate: PeerCertificate | None = None
    ) -> Admitted | Refused:
        """Judge `request`, which came from `address` with `certificate`: this first, which costs nothing."""
        registry = self._registrar.registry
        verdict = registry.admit(request.called_ae_title, request.calling_ae_title, address, certificate)
        if isinstance(verdict, Refusal):
            return Refused(verdict.reject, verdict.why, verdict.hint)
        user = await self._identify(request)
        if isinstance(user, Refused):
            return user
        return self._admitted(verdict, request, user.user)

    async def _identify(self, request: AssociateRQ) -> Identified | Refused:
        if self.identities is None:
            return Identified()
        try:
            verdict = await self.identities.judge(request.user_information.user_identity)
        except Busy:
            rejection = Rejection.TEMPORARY_CONGESTION
            return Refused(rejection.value, "too many user identities wait to be checked", "it may try again")
        if isinstance(verdict, Unidentified):
            return Refused(Rejection.USER_NOT_IDENTIFIED.value, verdict.why, verdict.hint)
        return verdict

    def _admitted(
        self, verdict: registries.Admission, request: AssociateRQ, user: str | None
    ) -> Admitted | Refused:
        local_ae = verdict.local_ae
        verification = self._scp.verification
        commits = self._scp.storage_commitment.enabled
        if commits is None:
            commits = self._keeps_for_ever
        asks = any(each.storage_commitment for each in self._registrar.registry.destinations.values())
        policy = NegotiationPolicy(
            maximum_length=self._scp.maximum_length_received,
            verification_transfer_syntaxes=frozenset(
                verification.transfer_syntaxes if verification.enabled else ()
            ),
            allowed_sop_classes=verdict.allowed_sop_classes,
            accepted_transfer_syntaxes=local_ae.accepted_transfer_syntaxes or None,
            storage_commitment=commits or asks,
            operations_window=self._scp.operations_window,
            user_identified=user is not None,
        )
        if asks_for_storage(request, policy) and (refused := self._no_storage()) is not None:
            return refused
        return Admitted(
            policy=policy,
            overwrite=local_ae.overwrite_same_instance,
            ignored=verdict.ignored_sop_classes,
            maximum_size=self._scp.maximum_object_size
            if local_ae.maximum_object_size is None
            else local_ae.maximum_object_size,
            user=user,
            commitments=self._commitments if commits or asks else None,
            commits=commits,
        )

    def _no_storage(self) -> Refused | None:
        """Why nothing is stored here now; None: it is."""
        if self._is_drained():
            return Refused(
                Rejection.TEMPORARY_CONGESTION.value,
                "this port104 is drained",
                "it may try again, and finds another one; port104 drain --undo lets instances in here again",
            )
        if self._watch.room is not Room.ENOUGH:
            return Refused(
                Rejection.LOCAL_LIMIT_EXCEEDED.value,
                "space runs low on the storage folder's volume",
                "it may try again; free space, or see storage.watermarkPercent and storage.reserveSpaceGB",
            )
        return None

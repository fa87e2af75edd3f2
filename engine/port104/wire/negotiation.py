"""The answer to an A-ASSOCIATE-RQ: contexts x policy -> results (PS3.8 7.1.1, PS3.7 annex D).

Pure: who may call is decided elsewhere; here stand only the standard's own rules and the policy that the
local AE gives.
"""

import enum

import msgspec

from port104 import uids
from port104.wire.identifiers import valid_ae_title, valid_uid
from port104.wire.items import UserIdentity
from port104.wire.pdu import (
    AssociateAC,
    AssociateRJ,
    AssociateRQ,
    AsynchronousOperationsWindow,
    ExtendedNegotiation,
    PresentationContext,
    PresentationContextResult,
    RoleSelection,
    UserInformation,
)

_STANDARD_ROOT = "1.2.840.10008."
_STORAGE_ROOT = "1.2.840.10008.5.1.4.1.1."
# Storage SOP classes outside of that root (PS3.4 annexes B.5, GG and B.6): of no patient, and the
# retired ones of the stored print service.
_STORAGE_ELSEWHERE = frozenset(
    {
        "1.2.840.10008.5.1.1.27",  # Stored Print Storage (retired)
        "1.2.840.10008.5.1.1.29",  # Hardcopy Grayscale Image Storage (retired)
        "1.2.840.10008.5.1.1.30",  # Hardcopy Color Image Storage (retired)
        "1.2.840.10008.5.1.4.34.1",  # RT Beams Delivery Instruction Storage, trial (retired)
        "1.2.840.10008.5.1.4.34.7",  # RT Beams Delivery Instruction Storage
        "1.2.840.10008.5.1.4.34.10",  # RT Brachy Application Setup Delivery Instruction Storage
        "1.2.840.10008.5.1.4.38.1",  # Hanging Protocol Storage
        "1.2.840.10008.5.1.4.39.1",  # Color Palette Storage
        "1.2.840.10008.5.1.4.43.1",  # Generic Implant Template Storage
        "1.2.840.10008.5.1.4.44.1",  # Implant Assembly Template Storage
        "1.2.840.10008.5.1.4.45.1",  # Implant Template Group Storage
    }
)
# Services that stand among the storage classes: queries for protocols and inventories (PS3.4 II and KKK).
_NO_STORAGE = frozenset(
    f"{_STORAGE_ROOT}{number}"
    for number in ("200.4", "200.5", "200.6", "201.2", "201.3", "201.4", "201.5", "201.6")
)
# What is read and written of storage commitment (wire/commitment.py).
_COMMITMENT_SYNTAXES = frozenset({uids.IMPLICIT_VR_LITTLE_ENDIAN, uids.EXPLICIT_VR_LITTLE_ENDIAN})
# Extended negotiation of storage (PS3.4 B.3.1): level 2 (full), no digital signature, no coercion.
_STORAGE_SUPPORT = bytes([2, 0, 0, 0, 0, 0])
SERVICES = frozenset({uids.VERIFICATION, uids.STORAGE_COMMITMENT})
"""SOP classes that are accepted besides storage."""


class Result(enum.IntEnum):
    """Result/Reason of a presentation context (PS3.8 9.3.3.2)."""

    ACCEPTANCE = 0
    USER_REJECTION = 1
    NO_REASON = 2
    ABSTRACT_SYNTAX_NOT_SUPPORTED = 3
    TRANSFER_SYNTAXES_NOT_SUPPORTED = 4


class Rejection(enum.Enum):
    """Result, source and reason of an A-ASSOCIATE-RJ, as far as we send them (PS3.8 table 9-21)."""

    NO_REASON_GIVEN = AssociateRJ(1, 1, 1)
    APPLICATION_CONTEXT_NAME_NOT_SUPPORTED = AssociateRJ(1, 1, 2)
    CALLING_AE_TITLE_NOT_RECOGNIZED = AssociateRJ(1, 1, 3)
    CALLED_AE_TITLE_NOT_RECOGNIZED = AssociateRJ(1, 1, 7)
    # "No reason given" of the ACSE related function: an authorization failure (PS3.7 D.3.3.7).
    USER_NOT_IDENTIFIED = AssociateRJ(1, 2, 1)
    PROTOCOL_VERSION_NOT_SUPPORTED = AssociateRJ(1, 2, 2)
    TEMPORARY_CONGESTION = AssociateRJ(2, 3, 1)
    LOCAL_LIMIT_EXCEEDED = AssociateRJ(2, 3, 2)

    @property
    def words(self) -> str:
        """The standard's words, for logs."""
        return self.name.lower().replace("_", " ").replace("ae title", "AE title")


class NegotiationPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What the local AE accepts.

    `maximum_length`: bytes of the longest P-DATA-TF PDU that we receive, 0 = unlimited.
    `verification_transfer_syntaxes`: for Verification; empty: it is not accepted.
    `allowed_sop_classes`: storage SOP classes; None: all, private ones too.
    `accepted_transfer_syntaxes`: for storage; None: all, private ones too.
    `storage_commitment`: whether the Storage Commitment Push Model is accepted, in either role.
    `operations_window`: C-STOREs that the peer may have outstanding, at least 1 (PS3.7 D.3.3.3).
    `user_identified`: the user identity that was proposed is right; answered where that was asked for.
    """

    maximum_length: int = 1 << 20
    verification_transfer_syntaxes: frozenset[str] = frozenset(
        {
            uids.IMPLICIT_VR_LITTLE_ENDIAN,
            uids.EXPLICIT_VR_LITTLE_ENDIAN,
            uids.EXPLICIT_VR_BIG_ENDIAN,
        }
    )
    allowed_sop_classes: frozenset[str] | None = None
    accepted_transfer_syntaxes: frozenset[str] | None = None
    storage_commitment: bool = False
    operations_window: int = 1
    user_identified: bool = False


def is_storage(sop_class_uid: str) -> bool:
    """Whether the SOP class is taken as storage: the standard's own, and every private one."""
    if sop_class_uid.startswith(_STORAGE_ROOT):
        return sop_class_uid not in _NO_STORAGE
    return sop_class_uid in _STORAGE_ELSEWHERE or not f"{sop_class_uid}.".startswith(_STANDARD_ROOT)


def rejection_of(request: AssociateRQ) -> Rejection | None:
    """The rejection that the standard alone asks for; None when the request may be judged further."""
    if not request.protocol_version & 1:
        return Rejection.PROTOCOL_VERSION_NOT_SUPPORTED
    if request.application_context != uids.APPLICATION_CONTEXT:
        return Rejection.APPLICATION_CONTEXT_NAME_NOT_SUPPORTED
    if not valid_ae_title(request.calling_ae_title):
        return Rejection.CALLING_AE_TITLE_NOT_RECOGNIZED
    if not valid_ae_title(request.called_ae_title):
        return Rejection.CALLED_AE_TITLE_NOT_RECOGNIZED
    if not request.presentation_contexts:
        return Rejection.NO_REASON_GIVEN
    return None


def negotiate(request: AssociateRQ, policy: NegotiationPolicy) -> AssociateAC:
    """Answer every proposed context and the user information that asks for an answer."""
    proposed = request.presentation_contexts
    results = tuple(_judge(context, policy) for context in proposed)
    accepted = frozenset(
        context.abstract_syntax
        for context, answer in zip(proposed, results, strict=True)
        if answer.result == Result.ACCEPTANCE
    )
    return AssociateAC(
        request.called_ae_title,
        request.calling_ae_title,
        results,
        _answer(request.user_information, accepted, policy),
    )


def asks_for_storage(request: AssociateRQ, policy: NegotiationPolicy) -> bool:
    """Whether `negotiate` would accept a context for instances, rather than for other services or nothing."""
    return any(
        context.abstract_syntax not in SERVICES and _judge(context, policy).result == Result.ACCEPTANCE
        for context in request.presentation_contexts
    )


def _judge(context: PresentationContext, policy: NegotiationPolicy) -> PresentationContextResult:
    if not _supported(context.abstract_syntax, policy):
        return _refused(context, Result.ABSTRACT_SYNTAX_NOT_SUPPORTED)
    accepted = _transfer_syntaxes(context.abstract_syntax, policy)
    acceptable = [
        uid for uid in context.transfer_syntaxes if valid_uid(uid) and (accepted is None or uid in accepted)
    ]
    if not acceptable:
        return _refused(context, Result.TRANSFER_SYNTAXES_NOT_SUPPORTED)
    chosen = min(acceptable, key=_preference)
    return PresentationContextResult(context.id, Result.ACCEPTANCE, chosen)


def _supported(abstract_syntax: str, policy: NegotiationPolicy) -> bool:
    if abstract_syntax == uids.VERIFICATION:
        return bool(policy.verification_transfer_syntaxes)
    if abstract_syntax == uids.STORAGE_COMMITMENT:
        return policy.storage_commitment
    allowed = policy.allowed_sop_classes
    return (
        valid_uid(abstract_syntax)
        and is_storage(abstract_syntax)
        and (allowed is None or abstract_syntax in allowed)
    )


def _transfer_syntaxes(abstract_syntax: str, policy: NegotiationPolicy) -> frozenset[str] | None:
    """What is accepted for it; None: whatever the requestor proposes."""
    if abstract_syntax == uids.VERIFICATION:
        return policy.verification_transfer_syntaxes
    if abstract_syntax == uids.STORAGE_COMMITMENT:
        return _COMMITMENT_SYNTAXES
    return policy.accepted_transfer_syntaxes


def _preference(transfer_syntax: str) -> int:
    """The requestor's order decides (`min` takes the first of equals), but for two syntaxes.

    A requestor puts its files' own syntax first. Implicit VR is the default that every requestor must
    offer, and loses the VRs of private elements; big endian is retired.
    """
    if transfer_syntax == uids.IMPLICIT_VR_LITTLE_ENDIAN:
        return 2
    return 1 if transfer_syntax == uids.EXPLICIT_VR_BIG_ENDIAN else 0


def _refused(context: PresentationContext, result: Result) -> PresentationContextResult:
    """The transfer syntax of a refused context is not significant, but must be there (PS3.8 9.3.3.2)."""
    syntax = next(iter(context.transfer_syntaxes), uids.IMPLICIT_VR_LITTLE_ENDIAN)
    return PresentationContextResult(context.id, result, syntax)


def _answer(asked: UserInformation, accepted: frozenset[str], policy: NegotiationPolicy) -> UserInformation:
    """Roles and extensions are answered once for each SOP class that is `accepted`.

    An offer for anything else has no effect, and to repeat it could overflow the item that it came in.
    """
    roles = {role.sop_class_uid: role for role in asked.role_selections}
    extended = {offer.sop_class_uid for offer in asked.extended_negotiations}
    return UserInformation(
        maximum_length=policy.maximum_length,
        implementation_class_uid=uids.IMPLEMENTATION_CLASS,
        implementation_version_name=uids.IMPLEMENTATION_VERSION,
        asynchronous_operations_window=_window(asked.asynchronous_operations_window, policy),
        role_selections=tuple(
            # We are an SCP of what is offered here, and an SCU of commitment alone: who has stored what we
            # sent may report on an association of its own (PS3.4 J.3.3).
            RoleSelection(uid, role.scu_role, role.scp_role and uid == uids.STORAGE_COMMITMENT)
            for uid, role in roles.items()
            if uid in accepted
        ),
        extended_negotiations=tuple(
            ExtendedNegotiation(uid, _STORAGE_SUPPORT) for uid in sorted(extended & accepted - SERVICES)
        ),
        user_identity_response=_identity_response(asked.user_identity, policy),
    )


def _identity_response(identity: UserIdentity | None, policy: NegotiationPolicy) -> bytes | None:
    """The response has no content but for kinds that we do not check (PS3.7 table D.3-15)."""
    asked = identity is not None and identity.positive_response_requested
    return b"" if asked and policy.user_identified else None


def _window(
    offer: AsynchronousOperationsWindow | None, policy: NegotiationPolicy
) -> AsynchronousOperationsWindow | None:
    """Never above the offer, of which 0 is unlimited; we invoke nothing, so grant 1 (PS3.7 D.3.3.3.2)."""
    if offer is None:
        return None
    granted = policy.operations_window
    return AsynchronousOperationsWindow(min(offer.invoked or granted, granted), 1)

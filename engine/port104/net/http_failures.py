"""Why a request over HTTP failed, in words for people: those of the system or of TLS, without the address."""

import ssl
from collections.abc import Iterator

import httpcore

from port104.errors import Suspect


def reason_of(failure: httpcore.NetworkError | httpcore.ProtocolError, authorities: str) -> str:
    """What was at the bottom of it. `authorities`: where those stand that servers are checked by."""
    if isinstance(failure, httpcore.ProtocolError):
        return "it does not speak HTTP as it should"
    system = [each for each in _causes(failure) if isinstance(each, OSError)]
    if not system:
        return "the connection broke off"
    if isinstance(system[-1], ssl.SSLCertVerificationError):
        return f"its certificate is not good ({system[-1].verify_message}); add its CA to {authorities}"
    return (system[-1].strerror or str(system[-1])).rpartition(": ")[2]


def suspect_of(failure: httpcore.ConnectError | httpcore.ConnectTimeout) -> Suspect:
    """What is to be looked at where there is no connection."""
    causes = [*_causes(failure)]
    if any(isinstance(each, ssl.SSLError) for each in causes):
        return Suspect.TLS
    refused = any(isinstance(each, ConnectionRefusedError) for each in causes)
    return Suspect.PORT if refused else Suspect.ADDRESS


def _causes(failure: BaseException | None) -> Iterator[BaseException]:
    """It and what led to it; httpcore's pool says "from None", so the context counts as well."""
    while failure is not None:
        yield failure
        if isinstance(failure, BaseExceptionGroup):
            failure = failure.exceptions[0]  # of several addresses that do not answer the first tells
        else:
            failure = failure.__cause__ or failure.__context__

"""What can go wrong between port104 and the API server. Every text says what to do."""

from port104.errors import Port104Error

GONE = 410
"""The resource version is too old to go on from (HTTP status, and code of a watch's ERROR)."""


class ClusterError(Port104Error):
    """The API server cannot be asked, or refuses. `status`: of its answer; None: there was none."""

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status

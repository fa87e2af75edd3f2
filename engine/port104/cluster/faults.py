"""What can go wrong between port104 and the API server. Every text says what to do."""

from port104.errors import Port104Error

GONE = 410
"""The resource version is too old to go on from (HTTP status, and code of a watch's ERROR)."""

# A token that is being replaced, a time that ran out, too many requests (API conventions, "HTTP Status
# codes").
_PASSING = (401, 408, 429)
_QUOTA = "exceeded quota"


class ClusterError(Port104Error):
    """The API server cannot be asked, or refuses. `status`: of its answer; None: there was none."""

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status

    @property
    def passes(self) -> bool:
        """Whether the same may be answered otherwise after a while, without anybody's doing."""
        if self.status is None or self.status in _PASSING or self.status >= 500:
            return True
        return self.status == 403 and _QUOTA in str(self)

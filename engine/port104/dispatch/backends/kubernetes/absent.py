"""What becomes of a run that is to be a Job, where port104 may make none."""

import trio

from port104.dispatch.backends.backend import Ending


class NoCluster:
    """Fails each run, and says what to do. A Backend."""

    async def run(self, *_: object) -> Ending:
        """Say it."""
        await trio.lowlevel.checkpoint()
        return Ending(
            "failed",
            "port104 makes no Jobs here: it must be a pod of the cluster, and jobs.kubernetes true, with"
            " which the chart also gives it the rights",
        )

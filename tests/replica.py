"""An engine as a StatefulSet runs it, behind a Service: each start is another process, on the same volume."""

import contextlib
import time
import urllib.error
import urllib.request

from engine_process import engine, free_port

# Connections still come for a while after an engine is not ready any more; its preStop waits for longer.
LATE_SECONDS, PRE_STOP_SECONDS = 0.2, 0.4


class Replica:
    """A pod. `service`: a ServiceRelay; `settings`: of engine_process.engine. Use it in a with statement."""

    def __init__(self, folder, service, settings):
        self.folder = folder
        self._service = service
        self._settings = settings
        self._running = contextlib.ExitStack()
        self.engine = None
        self._api = 0

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self._running.close()

    def start(self):
        """Start it, and let the Service know once it is ready."""
        self._api = free_port()
        self.engine = self._running.enter_context(
            engine(self.folder, **self._settings | {"api": {"port": self._api}})
        )
        self.engine.wait_for(self.is_ready, 20)
        self._service.ready.append(self.engine.port)

    def is_ready(self):
        """As its probe asks it."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._api}/health/ready", timeout=5):
                return True
        except (urllib.error.URLError, OSError):
            return False

    def leave_the_service(self):
        """It is not ready, which nodes hear of late."""
        time.sleep(LATE_SECONDS)
        self._service.ready.remove(self.engine.port)

    def stop(self):
        """As Kubernetes does: out of the Service, preStop, SIGTERM."""
        self.leave_the_service()
        time.sleep(PRE_STOP_SECONDS - LATE_SECONDS)
        assert self.engine.terminate() == 0

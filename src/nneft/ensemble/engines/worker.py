"""What Dask's workers of this machine begin with."""

import signal


def dask_setup(worker: object) -> None:
    """Leave Ctrl-C, which a terminal sends to all its processes, to the client."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

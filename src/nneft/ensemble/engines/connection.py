"""A Dask client that says at once what is wrong, ends with what it was for, and logs nothing."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from nneft.ensemble.engines.base import EngineLost

if TYPE_CHECKING:
    from distributed import Client

#: Seconds that Dask's own configuration, unless it is changed, gives a scheduler to answer, and
#: that are given here: nobody who mistypes an address waits for long.
THEIRS, ANSWER = 30.0, 10.0
#: Seconds for a client to say farewell.
FAREWELL = 5.0


@contextmanager
def connected(address: str) -> Iterator[Client]:
    """A client of the scheduler at a checked address; it is closed whatever happens.

    Raises
    ------
    EngineLost
        No scheduler answers.
    ValueError
        With this configuration none can: no TLS, or another process's ``inproc://``.
    """
    from distributed import Client

    check_reachable(address)
    # Made in two steps: what fails halfway in the second has a name, under which to close it.
    # Otherwise that is done when Python ends, which takes a minute since its loop is gone then.
    client = Client.__new__(Client)
    try:
        _begin(client, address)
        yield client
    finally:
        _close(client)


def _begin(client: Any, address: str) -> None:
    try:
        client.__init__(address, set_as_default=False, timeout=_answer())
    except (OSError, TimeoutError) as error:
        raise EngineLost(f"no scheduler answers at {address} ({error})") from error
    except (TypeError, ValueError, RuntimeError, ImportError) as error:
        raise ValueError(f"cannot speak to {address}: {error}") from error


def _close(client: Client) -> None:
    if getattr(client, "status", "newly-created") == "newly-created":
        return
    try:
        client.close(timeout=FAREWELL)
    except TimeoutError:
        client.status = "closed"  # that it does not try again when Python ends


def _answer() -> float:
    """Seconds for a scheduler to answer: as configured, fewer if nobody configured them."""
    import dask

    found = dask.config.get("distributed.comm.timeouts.connect")
    seconds = float(dask.utils.parse_timedelta(found, "s"))
    return ANSWER if seconds == THEIRS else seconds


def check_reachable(address: str) -> None:
    """Refuse a checked address with which Dask's client could only wait in vain.

    Raises
    ------
    ValueError
        It is ``tls://`` without certificates, or ``inproc://`` of no scheduler of this process.
    """
    scheme, _, rest = address.partition("://")
    if scheme == "tls":
        _check_certificates(address)
    if scheme == "inproc":
        from distributed.comm.inproc import global_manager

        with contextlib.suppress(ValueError):  # another machine's or process's, or no address
            if global_manager.get_listener_for(rest) is not None:
                return
        raise ValueError(
            f"{address} is no scheduler of this process, as inproc:// must be: give another "
            "process's as tls://host:8786, or as tcp://127.0.0.1:8786 on this machine"
        )


def _check_certificates(address: str) -> None:
    import dask
    from distributed.security import Security

    if dask.config.get("distributed.client.security-loader", None):
        return  # the caller's function finds them
    wanted = (
        "a certificate of an authority and one of the client with its key (in Dask's "
        "configuration distributed.comm.tls.ca-file, distributed.comm.tls.client.cert and .key)"
    )
    try:
        context = Security().get_connection_args("client")["ssl_context"]
    except (OSError, ValueError) as error:  # no such file, or something else is in it
        raise ValueError(
            f"{address} wants {wanted}, but what is configured cannot be used: {error}"
        ) from error
    if context is None:
        raise ValueError(f"{address} wants {wanted}, but not all are configured: set them")


@contextmanager
def quiet() -> Iterator[None]:
    """What happens is told here, in exceptions, and not by Dask's log.

    Loggers with a level of their own, such as ``distributed.client``, heed none above them.
    """
    names = [name for name in logging.root.manager.loggerDict if name.startswith("distributed.")]
    logs = [logging.getLogger(name) for name in ("distributed", *names)]
    before = [(log, log.level) for log in logs if log.level or log.name == "distributed"]
    for log, _ in before:
        log.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for log, level in before:
            log.setLevel(level)

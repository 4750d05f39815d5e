"""Which schedulers may be spoken to: encrypted, on this machine, or insecurely by name."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

#: Encrypted, and in the same process.
SAFE = ("tls", "wss", "inproc")
KNOWN = (*SAFE, "tcp", "ws")


def checked_address(address: str, *, insecure: bool) -> str:
    """The address of a scheduler, with its scheme.

    Whoever can speak to a scheduler can have any code run by it and by its clients; ``tcp://``
    has neither encryption nor passwords.

    Raises
    ------
    ValueError
        It is none, or not encrypted and beyond this machine, unless ``insecure``.
    """
    full = address if "://" in address else f"tcp://{address}"
    scheme, wrong = full.split("://")[0], f"{address!r} is no address of a Dask scheduler"
    example = "such as tls://host:8786, or tcp://127.0.0.1:8786 on this machine"
    if scheme not in KNOWN:
        raise ValueError(f"{wrong}: {', '.join(KNOWN)} are known, {example}")
    try:
        parts = urlsplit(full)
        whole = scheme == "inproc" or (bool(parts.hostname) and parts.port is not None)
    except ValueError:
        whole = False
    if not whole:
        raise ValueError(f"{wrong}: a host and a port are wanted, {example}")
    if scheme not in SAFE and not insecure and not is_loopback(parts.hostname or ""):
        raise ValueError(
            f"{full} is beyond this machine and not encrypted: give the scheduler TLS (tls://.., "
            "with distributed.comm.tls in Dask's configuration), or --insecure (insecure=True) "
            "where everyone on the network may run code as you"
        )
    return full


def is_loopback(host: str) -> bool:
    """Whether a host can only be this machine; other names than localhost are not looked up."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.split("%")[0]).is_loopback
    except ValueError:
        return False

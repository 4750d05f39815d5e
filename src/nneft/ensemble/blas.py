"""One thread for linear algebra while blocks are sampled.

Blocks are what threads share; those of a BLAS would be in their way, and how it parts a large
product among them decides the last bits.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import Any

from threadpoolctl import ThreadpoolController

_lock = Lock()
_inside: list[Any] = []


@cache
def _libraries() -> ThreadpoolController:
    return ThreadpoolController()


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep linear algebra to one thread while any block is in hand, in whichever thread.

    The setting is the process's: the first to come makes it, the last to leave takes it back.
    """
    with _lock:
        limit = _inside[0] if _inside else _libraries().limit(limits=1, user_api="blas")
        _inside.append(limit)
    try:
        yield
    finally:
        with _lock:
            _inside.pop()
            if not _inside:
                limit.restore_original_limits()

"""Telling how far a long run is."""

import time
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import Protocol, TypeVar

from nneft.reproduce.records import Progress

T = TypeVar("T", covariant=True)


class Sequenced(Sized, Iterable[T], Protocol[T]):
    """What has a length and can be gone through."""


class Teller:
    """Counts what is done of a stage and tells it with the rate and the time left."""

    def __init__(self, tell: Callable[[Progress], object] | None) -> None:
        self._tell = tell
        self.start("", 0)

    def start(self, stage: str, total: int) -> None:
        """A new stage, of which nothing is done."""
        self._stage, self._total, self._done = stage, total, 0
        self._began = time.monotonic()

    def more(self, done: int, label: str) -> None:
        """So many more are done; `label` says of what."""
        self._done += done
        if self._tell is None:
            return
        rate = self._done / max(time.monotonic() - self._began, 1e-9)
        left = (self._total - self._done) / rate if rate else None
        self._tell(Progress(self._stage, self._done, self._total, rate, left, label))

    def over(self, stage: str, items: Sequenced[T], label: Callable[[T], str]) -> Iterator[T]:
        """Go through the items of a stage, telling the first before it and each when it is done."""
        self.start(stage, len(items))
        for item in items:
            if self._done == 0:
                self.more(0, label(item))
            yield item
            self.more(1, label(item))

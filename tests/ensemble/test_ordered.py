"""Threads whose results come in order, and that end when they should."""

import threading
import time

import pytest

from nneft.ensemble.ordered import in_order


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_order_is_that_of_the_tasks(workers):
    def work(task):
        time.sleep(0.002 * (5 - task % 5))
        return task * task

    assert list(in_order(work, range(23), workers)) == [t * t for t in range(23)]
    assert list(in_order(work, [], workers)) == []


@pytest.mark.parametrize("workers", [1, 3])
def test_no_more_is_begun_than_can_wait(workers):
    begun = []

    def work(task):
        begun.append(task)
        return task

    results = in_order(work, range(100), workers)
    assert next(results) == 0
    results.close()
    assert len(begun) <= workers + 1


@pytest.mark.parametrize("workers", [1, 3])
def test_an_exception_comes_through_and_ends_the_threads(workers):
    def work(task):
        if task == 4:
            raise ArithmeticError("task 4")
        return task

    before, taken = threading.active_count(), []
    with pytest.raises(ArithmeticError, match="task 4"):
        for result in in_order(work, range(50), workers):
            taken.append(result)
    assert taken == [0, 1, 2, 3]
    assert threading.active_count() == before

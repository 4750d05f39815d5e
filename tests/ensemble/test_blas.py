"""Threads of linear algebra: one while blocks are in hand, as many as before afterwards."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

import nneft
from nneft.ensemble.blas import one_thread


def threads():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def sampled():
    """Products of (40, 600) and (600, 40), which a BLAS parts among its threads."""
    net = nneft.Network((40, 600, 600), "tanh", 1.0)
    x = np.random.default_rng(0).standard_normal((40, 40))
    found = nneft.sample(net, x, networks=8, seed=1, points=2).kernel
    return hashlib.sha256(found.mean.tobytes() + found.error.tobytes()).hexdigest()


def test_no_bit_depends_on_the_threads_of_linear_algebra():
    found = set()
    for many in (1, 2, 3):
        with threadpool_limits(many, user_api="blas"):
            found.add(sampled())
    assert len(found) == 1


def test_the_last_to_leave_takes_it_back():
    with threadpool_limits(2, user_api="blas"):
        if threads() != {2}:
            pytest.skip("this linear algebra has one thread only")
        inside, left = Barrier(2), Barrier(2)

        def first():
            with one_thread():
                inside.wait()
            left.wait()

        with ThreadPoolExecutor() as pool, one_thread():
            other = pool.submit(first)
            inside.wait()
            left.wait()
            other.result()
            assert threads() == {1}
        assert threads() == {2}


def test_taken_back_after_an_exception():
    with threadpool_limits(2, user_api="blas"):
        before = threads()
        with pytest.raises(ZeroDivisionError), one_thread():
            raise ZeroDivisionError
        assert threads() == before

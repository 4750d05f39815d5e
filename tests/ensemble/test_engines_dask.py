"""Blocks from Dask's workers are the same to the last bit, and what happens to Dask is survived."""

import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import numpy as np
import pytest

import nneft
from nneft.activations import Activation
from nneft.ensemble import plan
from nneft.ensemble.engines import EngineLost
from nneft.ensemble.engines.addresses import checked_address
from nneft.ensemble.runs import complete, gather, open_run
from nneft.ensemble.sampling import checked
from nneft.network import Network

distributed = pytest.importorskip("distributed", reason="the extra [dask] is not installed")

import cloudpickle  # noqa: E402
import dask  # noqa: E402
import psutil  # noqa: E402
from distributed.comm.inproc import global_manager  # noqa: E402

from nneft.ensemble.engines import cluster as engine_module  # noqa: E402
from nneft.ensemble.engines import connection  # noqa: E402
from nneft.ensemble.engines.cluster import Dask  # noqa: E402
from nneft.ensemble.engines.connection import quiet  # noqa: E402

INPUTS = [[1.0, 1.0], [-1.4, 2.0]]
SMALL, NETWORKS = 2**9, 700
QUIET = 60
# What tests define goes to workers by value: they cannot import tests.
cloudpickle.register_pickle_by_value(sys.modules[__name__])


class SmallBlocks(distributed.WorkerPlugin):
    """Blocks of 64 networks on workers too."""

    def setup(self, worker):
        plan.BLOCK, plan.DEVICE_BLOCK, plan.DEVICE_CHUNK = SMALL, 16 * SMALL, SMALL


@contextmanager
def begun_cluster(**settings):
    """Workers in processes of their own; of two that die, the block they had is to blame."""
    made = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": "127.0.0.1:0"} | settings
    # A result may be with a worker that dies: not half a minute is lost on asking it again.
    short = {"distributed.scheduler.allowed-failures": 1, "distributed.comm.timeouts.connect": 3}
    with (
        dask.config.set(short),
        distributed.LocalCluster(silence_logs=QUIET, **made) as cluster,
    ):
        with distributed.Client(cluster) as client:
            client.register_plugin(SmallBlocks())
        yield cluster


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    for name, size in (("BLOCK", 1), ("DEVICE_BLOCK", 16), ("DEVICE_CHUNK", 1)):
        monkeypatch.setattr(plan, name, size * SMALL)


@pytest.fixture(scope="module")
def address():
    with begun_cluster() as cluster:
        yield cluster.scheduler_address


def begun(folder, activation="tanh"):
    net = Network((2, 20, 30, 20), activation, 1.0, 0.1)
    return open_run(folder, checked(net, INPUTS, None, 3, "chain", "float64", None, 4), NETWORKS)


def by_threads(folder, activation="tanh"):
    run = begun(folder, activation)
    complete(run, workers=1)
    return run.result.read_bytes()


def test_the_same_bytes_as_threads(address, tmp_path):
    run, seen = begun(tmp_path / "dask"), []
    outcome = complete(run, engine=Dask(address), progress=lambda *now: seen.append(now))
    assert run.result.read_bytes() == by_threads(tmp_path / "threads")
    assert outcome.ensemble.networks == NETWORKS
    assert seen[-1] == (NETWORKS, NETWORKS)
    one, other = (
        sorted(path.name for path in (tmp_path / name / "blocks").iterdir())
        for name in ("dask", "threads")
    )
    assert one == other and len(one) == run.count == 11


def test_reduced_estimates_too_and_by_name(address, tmp_path):
    net = Network((2, 20, 20, 20), "tanh", 1.0, 0.1)
    settings = {"networks": 200, "seed": 3, "reduce": True}
    found = nneft.sample(net, INPUTS, **settings, run=tmp_path / "dask", engine=Dask(address))
    assert found.reduction is not None
    nneft.sample(net, INPUTS, **settings, run=tmp_path / "threads")
    one, other = (tmp_path / name / "result.nc" for name in ("dask", "threads"))
    assert one.read_bytes() == other.read_bytes()


def test_a_client_of_the_caller_is_left_alone(address, tmp_path):
    run = begun(tmp_path / "run")
    with distributed.Client(address) as client:
        complete(run, engine=Dask(address))
        assert distributed.default_client() is client
        assert client.submit(lambda: 7).result() == 7
    assert run.result.read_bytes() == by_threads(tmp_path / "threads")


def test_any_arithmetic(address, tmp_path):
    pytest.importorskip("jax", reason="the extra [gpu] is not installed")
    net = Network((2, 20, 20, 20), "tanh", 1.0, 0.1)
    settings = {"networks": 200, "seed": 3, "arithmetic": "jax"}
    nneft.sample(net, INPUTS, **settings, run=tmp_path / "dask", engine=Dask(address))
    nneft.sample(net, INPUTS, **settings, run=tmp_path / "threads")
    one, other = (tmp_path / name / "result.nc" for name in ("dask", "threads"))
    assert one.read_bytes() == other.read_bytes()


def test_blocks_are_taken_as_there_is_room_for_them(address, tmp_path):
    run, engine = begun(tmp_path), Dask(address)
    assert {block for block, _ in engine.blocks(run, iter([7, 2, 9]))} == {2, 7, 9}
    numbers = iter(range(run.count))
    blocks = engine.blocks(run, numbers)
    next(blocks)
    blocks.close()
    assert next(numbers) <= 2 * engine_module.AHEAD + 1


def test_an_activation_of_the_caller(address, tmp_path):
    slope = 0.3
    leaky = Activation(lambda x: np.where(x > 0, x, slope * x), kinks=(0.0,), name="leaky")
    run = begun(tmp_path / "dask", leaky)
    complete(run, engine=Dask(address))
    assert run.result.read_bytes() == by_threads(tmp_path / "threads", leaky)


def sampling(x):
    """Arrays of the sampler have three axes, those that an activation is measured with have not."""
    return np.ndim(x) == 3


def test_a_block_that_fails_there_is_recorded_as_here(address, tmp_path):
    spoilt = Activation(lambda x: np.where(sampling(x) & (x > 5.3), np.nan, np.tanh(x)), name="odd")
    run, here = begun(tmp_path / "dask", spoilt), begun(tmp_path / "threads", spoilt)
    failed = complete(run, engine=Dask(address)).failed
    assert failed == complete(here).failed and 0 < len(failed) < run.count
    assert run.result.read_bytes() == here.result.read_bytes()


def test_an_exception_that_is_no_failed_block_is_passed_on(address, tmp_path):
    me = os.getpid()

    def odd(x):
        if sampling(x) and os.getpid() != me:
            raise RuntimeError("no such thing")
        return np.tanh(x)

    with pytest.raises(RuntimeError, match="no such thing"):
        complete(begun(tmp_path, Activation(odd, name="odd")), engine=Dask(address))


def deadly(when):
    """tanh, but a worker that samples with it dies of some arrays."""
    me = os.getpid()

    def tanh(x):
        if sampling(x) and os.getpid() != me and when(x):
            os.kill(os.getpid(), signal.SIGKILL)
        return np.tanh(x)

    return Activation(tanh, name="deadly")


def test_a_killed_worker_changes_no_byte(address, tmp_path):
    marker = tmp_path / "marker"

    def first(x):
        there = marker.exists()
        marker.touch()
        return not there

    activation = deadly(first)
    run = begun(tmp_path / "dask", activation)
    complete(run, engine=Dask(address))
    assert marker.exists()
    assert run.result.read_bytes() == by_threads(tmp_path / "threads", activation)


def test_blocks_that_are_finished_but_die_with_their_worker(address, tmp_path, monkeypatch):
    lost = []

    def without(self, ready):
        """The first blocks to be fetched are there no more."""
        if not lost:
            lost.extend(ready)
            for future in ready:
                future._state.lose()  # what the client does when the scheduler says so

    monkeypatch.setattr(engine_module._Sampling, "_fetch", without)
    run = begun(tmp_path / "dask")
    complete(run, engine=Dask(address))
    assert lost
    assert run.result.read_bytes() == by_threads(tmp_path / "threads")


def test_a_block_that_workers_die_of_is_left_out_and_named(address, tmp_path):
    largest = []
    watched = Activation(lambda x: largest.append(x.max()) or np.tanh(x), name="watched")
    del largest[:]
    by_threads(tmp_path / "watched", watched)
    edge = np.mean(sorted(largest)[-2:])
    run = begun(tmp_path / "dask", deadly(lambda x: x.max() > edge))
    with pytest.raises(EngineLost, match=r"blocks were given up, block \d+ first: 2 workers died"):
        complete(run, engine=Dask(address))
    missing = gather(run).missing
    assert 0 < len(missing) < run.count - 2  # whatever else those workers had may be among them
    complete(run)
    assert run.result.read_bytes() == by_threads(tmp_path / "threads", deadly(lambda x: False))


SCHEDULER = f"""
import sys
from distributed import LocalCluster
from nneft.ensemble import plan
if __name__ == "__main__":
    plan.BLOCK = {SMALL}
    cluster = LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0",
        protocol="tcp://", host="127.0.0.1")
    print(cluster.scheduler_address, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def scheduler():
    """A scheduler with a worker in a process that may be killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", SCHEDULER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        process.address = process.stdout.readline().strip()
        yield process
        process.kill()


def test_a_scheduler_that_goes_away(scheduler, tmp_path):
    run = begun(tmp_path / "run")

    def progress(done, wanted):
        if done >= 3 * run.per_block:
            scheduler.kill()
            scheduler.wait()

    with pytest.raises(EngineLost, match="the scheduler at tcp://127.0.0.1:.* is gone"):
        complete(run, engine=Dask(scheduler.address), progress=progress)
    assert 0 < len(gather(run).missing) <= run.count - 3
    soon, nobody = {"distributed.comm.timeouts.connect": 0.2}, "no scheduler answers at"
    with dask.config.set(soon), pytest.raises(EngineLost, match=nobody):
        complete(run, engine=Dask(scheduler.address))
    complete(run)
    assert run.result.read_bytes() == by_threads(tmp_path / "threads")


SAMPLE = f"""
import sys
from nneft.cli.main import run
from nneft.ensemble import plan
plan.BLOCK = {SMALL}
sys.exit(run(sys.argv[1:]))
"""


def sample(address, folder, **configured):
    """`nneft sample` with small blocks, in a process of its own."""
    options = "--activation tanh --widths 2,20,30,20 --C-W 1 --networks 40000 --seed 3 --no-reduce"
    where = ["--inputs", "1,1;-1.4,2", "--run", str(folder), "--dask", address]
    return subprocess.Popen(
        [sys.executable, "-c", SAMPLE, "sample", *options.split(), *where],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | configured,
    )


def ended(process):
    """The lines on its stderr but progress; it ends well before any of Dask's half minutes."""
    with process:
        try:
            process.said = process.communicate(timeout=20)
        finally:
            process.kill()
    return [line for line in process.said[1].splitlines() if not line.startswith("sampling: ")]


def test_of_a_lost_scheduler_one_sentence_is_said_and_soon(scheduler, tmp_path):
    folder = tmp_path / "run"
    process = sample(scheduler.address, folder)
    while process.poll() is None and len(list(folder.glob("blocks/*"))) < 5:
        time.sleep(0.02)
    scheduler.kill()
    said, how = ended(process), "go on with: "
    assert process.returncode == 4
    assert len(said) == 2 and said[1].startswith(how)
    assert said[0].startswith(f"nneft: the scheduler at {scheduler.address} is gone; ")
    process = sample(scheduler.address, folder, DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT="1s")
    said = ended(process)
    assert process.returncode == 4
    assert len(said) == 2 and said[1].startswith(how)
    assert said[0].startswith(f"nneft: no scheduler answers at {scheduler.address} (")


def test_a_client_that_is_not_finished_is_closed(tmp_path):
    required = {"DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION": "True"}
    process = sample("tcp://127.0.0.1:9", tmp_path, **required)
    (said,) = ended(process)
    assert process.returncode == 2
    assert said.startswith("nneft: cannot speak to tcp://127.0.0.1:9: encryption required")


def test_loggers_below_are_quiet_too_and_restored():
    names = "distributed", "distributed.client", "distributed.of_a_caller"
    logs, heard = [logging.getLogger(name) for name in names], logging.Handler()
    logs[2].setLevel(logging.DEBUG)
    before, records = [log.level for log in logs], []
    heard.emit = records.append
    for log in logs:
        log.addHandler(heard)
    try:
        with quiet():
            for log in logs:
                log.critical("of no interest")
        assert not records
        assert [log.level for log in logs] == before
        logs[1].critical("heard")
        assert records
    finally:
        logs[2].setLevel(logging.NOTSET)
        for log in logs:
            log.removeHandler(heard)


def test_half_a_minute_is_waited_for_a_first_answer_only_if_somebody_says_so():
    connect = "distributed.comm.timeouts.connect"
    for configured, wanted in (("30s", 10), ("2 m", 120), (0.5, 0.5)):
        with dask.config.set({connect: configured}):
            assert connection._answer() == wanted


def test_schedulers_that_cannot_be_reached():
    with pytest.raises(ValueError, match="not all are configured: set them"):
        Dask("tls://127.0.0.1:9")
    for nobody in ("10.0.0.1/1/1", f"{global_manager.ip}/{os.getpid()}/0", "odd", ""):
        with pytest.raises(ValueError, match="is no scheduler of this process"):
            Dask(f"inproc://{nobody}")


def test_a_scheduler_of_this_process(tmp_path):
    with begun_cluster(n_workers=1, processes=False, protocol="inproc://") as cluster:
        run = begun(tmp_path / "dask")
        complete(run, engine=Dask(cluster.scheduler_address))
    assert cluster.scheduler_address.startswith("inproc://")
    assert run.result.read_bytes() == by_threads(tmp_path / "threads")


def test_a_scheduler_without_workers(monkeypatch, tmp_path):
    monkeypatch.setattr(engine_module, "LOOK", 0.05)
    lost = pytest.raises(EngineLost, match="no worker for 0 seconds")
    with begun_cluster(n_workers=0) as cluster, lost:
        complete(begun(tmp_path), engine=Dask(cluster.scheduler_address, patience=0.2))


def test_workers_of_this_machine_are_heard_on_this_machine_alone(monkeypatch, tmp_path):
    monkeypatch.setattr(plan, "BLOCK", 2**22)  # as it is for workers that nobody told otherwise
    run, hosts = begun(tmp_path / "dask"), set()

    def listening(done, wanted):
        me = psutil.Process()
        for process in (me, *me.children(recursive=True)):
            there = process.net_connections(kind="inet")
            hosts.update(at.laddr.ip for at in there if at.status == psutil.CONN_LISTEN)

    complete(run, engine=Dask(1), progress=listening)
    assert hosts == {"127.0.0.1"}
    assert run.result.read_bytes() == by_threads(tmp_path / "threads")


@pytest.mark.parametrize(
    "address",
    ["tcp://10.0.0.5:8786", "node7:8786", "ws://192.0.2.1:80", "tcp://[2001:db8::1]:8786"],
)
def test_unencrypted_beyond_this_machine_only_when_asked_for(address):
    with pytest.raises(ValueError, match="beyond this machine and not encrypted: give the"):
        Dask(address)
    Dask(address, insecure=True)


def test_addresses_of_this_machine_and_encrypted_ones():
    for address in ("tcp://127.0.0.1:8786", "localhost:8786", "tcp://[::1]:8786", "tls://node7:1"):
        scheme = "" if "://" in address else "tcp://"
        assert checked_address(address, insecure=False) == scheme + address


@pytest.mark.parametrize("address", ["node7", "tcp://127.0.0.1", "ftp://node7:21", "tcp://a:b"])
def test_what_is_no_address(address):
    with pytest.raises(ValueError, match="is no address of a Dask scheduler"):
        Dask(address)


@pytest.mark.parametrize("where", [0, "0", -1])
def test_a_number_of_workers_is_positive(where):
    with pytest.raises(ValueError, match="the number of Dask's workers must be a positive"):
        Dask(where)


def test_a_scheduler_that_is_heard_beyond_this_machine(address, monkeypatch, tmp_path):
    heard = {"address": "tcp://192.0.2.1:8786"}
    monkeypatch.setattr(distributed.Client, "scheduler_info", lambda self, **how: heard)
    with pytest.raises(ValueError, match="192.0.2.1:8786 is beyond this machine"):
        complete(begun(tmp_path), engine=Dask(address))
    complete(begun(tmp_path), engine=Dask(address, insecure=True))


def test_workers_that_cut_blocks_otherwise_are_refused(address, monkeypatch, tmp_path):
    monkeypatch.setattr(plan, "BLOCK", SMALL // 2)
    with pytest.raises(ValueError, match="a worker has other settings for this run"):
        complete(begun(tmp_path), engine=Dask(address))


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl to make certificates with")
def test_tls(tmp_path):
    made = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test -keyout {} -out {}"
    subprocess.run(command.format(*made).split(), check=True, capture_output=True)
    key, cert = map(str, made)
    tls = {
        f"distributed.comm.tls.{who}": {"key": key, "cert": cert}
        for who in ("client", "scheduler", "worker")
    }
    with dask.config.set(tls | {"distributed.comm.tls.ca-file": cert}):
        settings = {"protocol": "tls://", "security": distributed.Security(), "n_workers": 1}
        with begun_cluster(**settings) as cluster:
            run = begun(tmp_path / "dask")
            complete(run, engine=Dask(cluster.scheduler_address))
            unknown = dask.config.set({"distributed.comm.tls.ca-file": None})
            with unknown, pytest.raises(ValueError, match="not all are configured: set them"):
                Dask(cluster.scheduler_address)
            nowhere = dask.config.set({"distributed.comm.tls.ca-file": str(tmp_path / "no.pem")})
            with nowhere, pytest.raises(ValueError, match="what is configured cannot be used"):
                Dask(cluster.scheduler_address)
    assert cluster.scheduler_address.startswith("tls://")
    assert run.result.read_bytes() == by_threads(tmp_path / "threads")

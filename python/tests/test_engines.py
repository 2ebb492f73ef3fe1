"""Ray and Dask with several processes, a worker killed in the middle; `.ci/python` installs both."""

import json
import os
import signal
import time

import pytest

import absint
import absint.distributed

pytestmark = pytest.mark.engines


def results_of(path):
    header, *lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        del line["time_s"]
    return header, sorted(map(json.dumps, lines))


@pytest.fixture(scope="session")
def single(network, networks, tmp_path_factory):
    """500 images in this process."""
    path = tmp_path_factory.mktemp("single") / "results.jsonl"
    run = absint.certify(network, networks / "digits.csv", "0.03", **settings(path))
    assert len(list(run)) == 500
    return path


def settings(path):
    return dict(images=range(1297, 1797), method="deeppoly", out=path, progress=False)


@pytest.fixture(scope="module")
def ray():
    ray = pytest.importorskip("ray", reason=".ci/python installs it")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield ray
    ray.shutdown()


@pytest.fixture(scope="module")
def client():
    distributed = pytest.importorskip("distributed", reason=".ci/python installs it")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        with distributed.Client(cluster) as client:
            yield client


def pids(engine):
    """The processes of an engine's workers."""
    if hasattr(engine, "run"):
        return list(engine.run(os.getpid).values())

    def pid():
        time.sleep(0.2)
        return os.getpid()

    return list({*engine.get([engine.remote(pid).remote() for _ in range(4)])})


@pytest.mark.parametrize("name", ["ray", "client"])
@pytest.mark.parametrize("kills", [False, True])
def test_two_workers_make_the_same_lines(request, network, networks, single, tmp_path, name, kills):
    engine, out = request.getfixturevalue(name), tmp_path / "results.jsonl"
    workers = pids(engine)
    run = absint.distributed.certify(network, networks / "digits.csv", "0.03", executor=engine, **settings(out))
    results = [next(run) for _ in range(20)]
    if kills:
        os.kill(workers[0], signal.SIGKILL)
    results += list(run)
    assert len(results) == 500
    assert results_of(out) == results_of(single)


class Killing:
    """An engine that kills a worker after the first result of every layer, as long as there are any to kill."""

    def __init__(self, engine, victims):
        self.engine, self.victims, self.killed, self.tasks = engine, victims, [], 0

    def share(self, value):
        return self.engine.share(value)

    def map(self, function, tasks):
        for result in self.engine.map(function, tasks):
            yield result
            self.tasks += 1
            if self.victims and len(tasks) > 1:
                self.killed.append(self.victims.pop())
                os.kill(self.killed[-1], signal.SIGKILL)

    def close(self):
        pass


@pytest.mark.parametrize("name", ["ray", "client"])
def test_lp_all_by_layers_with_a_worker_killed(request, digits, name):
    torch = pytest.importorskip("torch", reason=".ci/python installs it")
    executor = request.getfixturevalue(name)
    torch.manual_seed(3)
    sizes = [64, 60, 60, 60, 10]
    layers = [part for n, m in zip(sizes, sizes[1:]) for part in (torch.nn.Linear(n, m), torch.nn.ReLU())]
    network = absint.Network.from_torch(torch.nn.Sequential(*layers[:-1]), torch.zeros(1, 64))
    region = absint.linf(digits[0][1313], "0.1")
    arguments = dict(label=int(network.evaluate(digits[0][1313]).argmax()), method="lp-all", all_margins=True, attack=False)
    here = absint.verify(network, region, **arguments)
    engine = Killing(absint.distributed.engine(executor), pids(executor)[:1])
    there = absint.verify(network, region, **arguments, executor=engine)
    assert len(engine.killed) == 1 and engine.tasks > 4
    assert here.margins.tolist() == there.margins.tolist()
    for node, (lower, upper) in here.bounds.items():
        assert lower.tolist() == there.bounds[node][0].tolist() and upper.tolist() == there.bounds[node][1].tolist()


def test_compare_on_an_engine(client, network, networks, tmp_path):
    out = tmp_path / "compared.jsonl"
    arguments = dict(executor=client, images=range(1297, 1303), out=out, progress=False)
    run = absint.distributed.compare(network, networks / "digits.csv", "0.03", ["interval", "deeppoly"], **arguments)
    lines = list(run)
    assert len(lines) == 6 and "deeppoly" in str(run) and set(run.tally) == {"interval", "deeppoly"}
    assert len(out.read_text().splitlines()) == 7

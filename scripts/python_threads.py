"""Two Python threads that verify at once against one that does the same work: python scripts/python_threads.py NETWORK EPS

Prints, per method, the ratio of both times (0.5 is ideal on two cores, 1 what the interpreter's lock would give).
The inputs are random images; the package absint must be installed.
"""

import statistics
import sys
import threading
import time

import numpy as np

import absint

CALLS = {"deeppoly": 30, "kpoly": 2, "zonotope": 10}
REPETITIONS = 5


def main():
    network, eps = absint.Network.load(sys.argv[1]), float(sys.argv[2])
    images = np.random.default_rng(0).random((2 * max(CALLS.values()), int(np.prod(network.input_shape))), dtype=np.float32)

    def work(method, part):
        for x in part:
            absint.verify(network, absint.linf(x, eps), label=0, method=method, threads=1, attack=False)

    def timed(call):
        start = time.perf_counter()
        call()
        return time.perf_counter() - start

    for method, count in CALLS.items():
        halves = [images[:count], images[count : 2 * count]]

        def both_at_once():
            threads = [threading.Thread(target=work, args=(method, half)) for half in halves]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

        ratios = []
        for _ in range(REPETITIONS):
            alone = timed(lambda: [work(method, half) for half in halves])
            ratios.append(timed(both_at_once) / alone)
        print(method, *(f"{ratio:.3f}" for ratio in ratios), f"median {statistics.median(ratios):.3f}")


if __name__ == "__main__":
    main()

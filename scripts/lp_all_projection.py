"""How long LP-ALL would take on many nodes, from the tasks of one query as they are measured here.

python scripts/lp_all_projection.py NETWORK IMAGES INDEX EPS

A layer's tasks are independent and wait for the layer before. On n nodes a layer takes as long as a list schedule of its
measured tasks, plus the time for its bounds to reach all nodes along a tree, plus a fixed cost for each task.
"""

import heapq
import math
import pickle
import sys
import time

import absint
from absint import _absint
from absint._arguments import choices_of

#: Seconds to hand out a task and take its result, and for one hop of a broadcast; bytes per second of a link.
TASK, HOP, LINK = 0.002, 0.001, 125e6


def schedule(tasks: list[float], nodes: int) -> float:
    """When the last task ends: the longest first, each on the node that is free first."""
    free = [0.0] * min(nodes, len(tasks))
    for seconds in sorted(tasks, reverse=True):
        heapq.heappush(free, heapq.heappop(free) + seconds + TASK)
    return max(free, default=0.0)


def main() -> None:
    network = absint.Network.load(sys.argv[1])
    images, labels = absint.read_images(sys.argv[2])
    index = int(sys.argv[3])
    region = absint.linf(images[index], sys.argv[4])
    choices = choices_of("lp-all", None, 1, "real", False, 0, False, True)
    layers = []

    def solve(node, sessions, bounds):
        found, programs, times = [], 0, []
        for session in sessions:
            start = time.perf_counter()
            some, count = _absint.solve_programs(network, region, choices, node, [session], bounds)
            times.append(time.perf_counter() - start)
            found += some
            programs += count
        layers.append((node, sum(map(len, sessions)), programs, times, len(pickle.dumps(bounds)), len(pickle.dumps(found))))
        return found, programs

    query = absint.Query(network, region, int(labels[index]))
    result = _absint.verify(network, query, choices, solve)
    print(f"{result!r}, {len(pickle.dumps((network, region)))} bytes to every node at the start")
    print("node  neurons  programs  tasks  seconds in all  longest  bytes to all  bytes back")
    for node, neurons, programs, times, out, back in layers:
        print(f"{node:4} {neurons:8} {programs:9} {len(times):6} {sum(times):15.2f} {max(times):8.2f} {out:13} {back:11}")
    property_time = result.stages[-1]["time_s"] - sum(sum(times) for _, _, _, times, _, _ in layers)
    for nodes in (1, 2, 10, 100, 1000):
        hops = math.ceil(math.log2(nodes)) if nodes > 1 else 0
        sent = sum(hops * (HOP + out / LINK) for _, _, _, _, out, _ in layers) if nodes > 1 else 0.0
        solved = sum(schedule(times, nodes) for _, _, _, times, _, _ in layers)
        print(f"{nodes:5} nodes: {solved + sent + property_time:8.2f} s ({solved:.2f} tasks, {sent:.3f} bounds)")


main()

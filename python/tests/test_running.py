"""Beside the interpreter: its lock, Ctrl-C, time limits and memory."""

import os
import resource
import signal
import subprocess
import sys
import threading
import time

import pytest

import absint


def test_two_threads_verify_at_once(network, slow_query):
    """One begins and ends while the other goes on, which the interpreter's lock would not let happen."""
    region, label = slow_query
    done = threading.Event()

    def search():
        absint.verify(network, region, label=label, method="exact", attack=False, threads=1, timeout=3)
        done.set()

    thread = threading.Thread(target=search)
    thread.start()
    for _ in range(10):
        absint.verify(network, region, label=label, method="deeppoly", threads=1)
    assert not done.is_set()
    thread.join()


def test_others_run_while_it_works(network, slow_query):
    region, label = slow_query
    done, counted = threading.Event(), 0

    def verify():
        absint.verify(network, region, label=label, method="exact", attack=False, threads=1, timeout=1)
        done.set()

    thread = threading.Thread(target=verify)
    thread.start()
    while not done.wait(0.001):
        counted += 1
    thread.join()
    assert counted > 10


# A program in the background of a script is begun with Ctrl-C ignored.
INTERRUPTED = """
import signal, sys, absint
signal.signal(signal.SIGINT, signal.default_int_handler)
network, image, label = absint.example()
print("begun", flush=True)
try:
    {call}
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""

LONG = "for eps in ['0.115'] * 10**6: absint.verify(network, absint.linf(image, eps), label=label, method='lp-all', attack=False)"
CERTIFY = "list(absint.certify(network, ([image] * 10**5, [label] * 10**5), '0.115', method='lp-all', progress=False))"
RADIUS = "[absint.radius(network, image, label, method='lp-all', tol='1e-14') for _ in range(10**6)]"


@pytest.mark.parametrize("call", [LONG, CERTIFY, RADIUS])
def test_ctrl_c_ends_it_at_once(call):
    process = subprocess.Popen([sys.executable, "-c", INTERRUPTED.format(call=call)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "begun\n"
    time.sleep(1.5)
    process.send_signal(signal.SIGINT)
    # Nothing of the work would end by itself within this.
    assert process.communicate(timeout=60)[0] == "interrupted\n"
    assert process.returncode == 0


def test_a_time_limit_is_no_error(network, slow_query):
    region, label = slow_query
    result = absint.verify(network, region, label=label, timeout=0)
    assert (result.verdict, result.out_of_time) == ("unknown", True)
    assert result.margins.shape == (9,) and "out of time" in repr(result)
    assert (result.because, result.may_help) == (["the time was up"], ["a larger --timeout"])


def test_ten_thousand_calls_leave_nothing_behind(network, digits):
    image, label = digits[0][1300], int(digits[1][1300])

    def calls(count):
        for _ in range(count):
            result = absint.verify(network, absint.linf(image, "0.01"), label=label, method="interval", threads=1)
            assert result.bounds and result.margins.size == 9

    calls(1000)
    before = current_memory()
    calls(9000)
    grown = current_memory() - before
    assert grown < 16 << 20, f"{grown} bytes more after 9,000 further calls"


def current_memory():
    if os.path.exists("/proc/self/statm"):
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * resource.getpagesize()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10

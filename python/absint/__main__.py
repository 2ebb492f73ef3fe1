"""The command line of absint: the same program as the one in Rust."""

from __future__ import annotations

import signal
import sys

from absint._absint import run_cli


def main() -> int:
    """Runs the program on the arguments of this process."""
    # Python would only look at Ctrl-C once the program is over.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return run_cli(["absint", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())

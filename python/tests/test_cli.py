"""The command line in the wheel."""

import shutil
import subprocess
import sys
from pathlib import Path

import absint


def test_the_program_is_the_command_line():
    script = shutil.which("absint", path=str(Path(sys.executable).parent))
    commands = [[sys.executable, "-m", "absint"]] + ([[script]] if script else [])
    for command in commands:
        version = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True)
        assert version.stdout.startswith(f"absint {absint.__version__}")
        example = subprocess.run([*command, "analyze", "--domain", "kpoly"], capture_output=True, text=True)
        assert example.returncode == 0 and "verified by kpoly" in example.stdout
        assert subprocess.run([*command, "nothing"], capture_output=True).returncode == 2

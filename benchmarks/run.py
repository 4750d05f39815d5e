"""Run every benchmark of this folder, one after the other, and print what each measured.

Each is a script that prints its ratios and ends with 0, or with another code where a bound was
missed. What takes processor time elsewhere on the machine shows up here: run it alone.
"""

import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent


def main() -> int:
    scripts = sorted(path for path in HERE.glob("*.py") if path != Path(__file__))
    failed = []
    for script in scripts:
        print(f"== {script.stem}", flush=True)
        start = time.perf_counter()
        code = subprocess.run([sys.executable, str(script)], check=False).returncode
        print(f"-- {time.perf_counter() - start:.0f} s\n", flush=True)
        if code:
            failed.append(script.name)
    print("all done" if not failed else f"failed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

"""Run every benchmark, each in its own process with pinned threads, and write the table into README.md.

python -m benchmarks [--threads 2] [name ...]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from benchmarks._harness import RESULTS, THREADS, Line, Timing, table

HERE = Path(__file__).parent
MARKS = ("<!-- table: begin -->", "<!-- table: end -->")


def main() -> None:
    scripts = sorted(path.stem for path in HERE.glob("*.py") if not path.stem.startswith("_"))
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"{', '.join(scripts)}; by default all")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    if not set(options.names) <= set(scripts):
        parser.error(f"the benchmarks are {', '.join(scripts)}")
    environment = {**os.environ, **dict.fromkeys(THREADS, str(options.threads))}
    failed = []
    for name in options.names or scripts:
        print(f"\n== {name}", flush=True)
        done = subprocess.run(
            [sys.executable, "-m", f"benchmarks.{name}"], env=environment, cwd=HERE.parent, check=False
        )
        failed += [name] if done.returncode else []
    write_table()
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def write_table() -> None:
    """Put the latest result of every script and machine into README.md."""
    latest: dict[tuple[str, str], dict] = {}
    for path in sorted(RESULTS.glob("*.json")):  # the name ends in year and month
        content = json.loads(path.read_text())
        latest[content["benchmark"], content["machine"]["processor"]] = content
    parts = []
    for processor in sorted({processor for _, processor in latest}):
        found = [content for (_, where), content in sorted(latest.items()) if where == processor]
        lines = [_line(entry) for content in found for entry in content["lines"]]
        machine = found[0]["machine"]
        threads = machine["threads"]["OMP_NUM_THREADS"]
        versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items() if version)
        parts += [f"**{processor}**, {threads} threads, {machine['when']}; {versions}.", "", *table(lines), ""]
    readme = HERE / "README.md"
    before, _, rest = readme.read_text().partition(MARKS[0])
    after = rest.partition(MARKS[1])[2]
    readme.write_text(f"{before}{MARKS[0]}\n" + "\n".join(parts) + f"{MARKS[1]}{after}")


def _line(entry: dict) -> Line:
    timings = {name: Timing(**entry[name]) if entry[name] else None for name in ("ours", "theirs", "floor")}
    return Line(**{**entry, **timings})


if __name__ == "__main__":
    main()

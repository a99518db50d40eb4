"""Command line of the benchmarks: ``python -m tools.benchmarks [TOPIC ...]``."""

from __future__ import annotations

import argparse
import time

from . import report
from .processes import TOPICS, measure_topic, run_in_process


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tools.benchmarks",
        description="Measure the app, and compare it with alternatives.",
        epilog="Without topics, run all of them and save the results.",
    )
    parser.add_argument(
        "topics", nargs="*", metavar="TOPIC", help=f"topic to measure: one of {', '.join(TOPICS)}"
    )
    parser.add_argument(
        "--quick", action="store_true", help="measure small sizes, and save nothing"
    )
    options = parser.parse_args()
    if unknown := set(options.topics).difference(TOPICS):
        parser.error(f"unknown topic: {', '.join(unknown)}")
    print(report.environment(), end="\n\n")
    results = []
    for topic in options.topics or TOPICS:
        started = time.monotonic()
        # Django can be set up only once per process, and topics have different settings.
        for result in run_in_process(measure_topic, topic, options.quick):
            print(report.format_result(result), end="\n\n", flush=True)
            results.append(result)
        print(f"{topic} took {time.monotonic() - started:.0f} s.", end="\n\n", flush=True)
    if not options.topics and not options.quick:
        report.save(results)


if __name__ == "__main__":
    main()

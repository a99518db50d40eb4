"""``python -m benchmarks [TOPIC …]``: measure each topic in a process of its own, and tell."""

from __future__ import annotations

import argparse
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

from . import TOPICS, measured, report
from .contest import Result


def results(topics: list[str], shorten: bool) -> Iterator[Result]:
    # A project is set up once in a process, and topics have different ones.
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, max_tasks_per_child=1) as executor:
        for topic in topics:
            yield from executor.submit(measured, topic, shorten).result()


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Compare what the app costs with what one would use instead.",
        epilog=f"Topics: {', '.join(TOPICS)}. Only a run of all of them is kept in results/.",
    )
    parser.add_argument("topics", nargs="*", metavar="TOPIC")
    parser.add_argument("--shorten", action="store_true", help="only see whether it works")
    options = parser.parse_args()
    if unknown := set(options.topics) - set(TOPICS):
        parser.error(f"no topic {', '.join(unknown)}: there are {', '.join(TOPICS)}")
    found = []
    for result in results(options.topics or list(TOPICS), options.shorten):
        print(report.table(result), flush=True)
        found.append(result)
    if not options.topics and not options.shorten:
        report.write(found)


if __name__ == "__main__":
    main()

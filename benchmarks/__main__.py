"""``python -m benchmarks [TOPIC …]``: measure each topic in a process of its own, and tell."""

from __future__ import annotations

import argparse

from . import TOPICS, measured, report
from .processes import apart


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
    is_kept = not options.topics and not options.shorten
    if is_kept:
        report.check_that_it_can_be_written()
    found = []
    for topic in options.topics or TOPICS:
        # A project is set up once in a process, and topics have different ones.
        for result in apart(measured, topic, options.shorten):
            print(report.table(result), flush=True)
            found.append(result)
    if is_kept:
        report.write(found)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except EOFError:
        raise SystemExit("a process ended before it had told anything; see above") from None

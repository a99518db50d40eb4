"""``manage.py groupme_check``: check on the CDN whether every image is still there."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from django_groupme_images.bulk.check import FAILURES, MAX_MISSING, OUTCOMES, BulkCheck
from django_groupme_images.bulk.mirror import MIRROR_FOLDER
from django_groupme_images.bulk.runner import BulkRunner
from django_groupme_images.management.base import BulkCommand, get_storage, non_negative_number


class Command(BulkCommand):
    """Command that finds missing images, keeps copies, and restores images from them."""

    help = (
        "Check whether each stored image is still on GroupMe's CDN. List the rows whose image is "
        "gone or cannot be reached, and the rows whose URL is not the URL of an image."
    )
    requires_system_checks = ()  # They warn about a missing token, but only --restore needs one.
    is_for_urls = True
    outcomes = OUTCOMES
    failures = FAILURES
    failure_verbs = ("needs attention", "need attention")

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--mirror",
            metavar="ALIAS",
            help=f"Keep a copy of each image in the folder {MIRROR_FOLDER} of this storage. The "
            "name of the copy is the last part of the URL.",
        )
        parser.add_argument(
            "--restore",
            metavar="ALIAS",
            help="Restore missing images from their copies in this storage, after all images have "
            "been checked.",
        )
        parser.add_argument(
            "--max-missing",
            type=non_negative_number,
            default=MAX_MISSING,
            metavar="PERCENT",
            help="Restore nothing if at least 10 images, and more than PERCENT percent of the "
            "checked images, are missing (default: %(default)s).",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        runner = BulkRunner(workers=options["workers"], rate=options["rate"])
        check = BulkCheck(
            runner,
            mirror=get_storage(options["mirror"]),
            restore=get_storage(options["restore"]),
            max_missing=options["max_missing"],
        )
        report = self.process(check.run, runner, self.get_columns(options), options)
        if check.refusal and not runner.stop_reason:
            raise CommandError(check.refusal)
        self.raise_if_failed(report, runner)

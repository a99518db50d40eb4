"""``manage.py groupme_check``: check on the CDN whether every image is still there."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from ...audits import BAD, MAX_MISSING, OUTCOMES, Audit
from ...bulk import Bulk
from ...copies import FOLDER
from ..bulk import BulkCommand, non_negative


class Command(BulkCommand):
    """Finds images that the service has lost, keeps copies, and restores from them."""

    help = (
        "Check on the CDN whether every stored image is still there, and list the rows whose "
        "image is gone or cannot be reached, or whose URL is not that of an image."
    )
    requires_system_checks = ()  # They warn about a missing token, which is not needed here.
    addresses = True
    outcomes = OUTCOMES
    bad = BAD

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--mirror",
            metavar="ALIAS",
            help="Keep a copy of each image in the folder "
            f"{FOLDER} of this storage, under the last part of its URL.",
        )
        parser.add_argument(
            "--restore",
            metavar="ALIAS",
            help="Upload each missing image again from its copy in this storage, once all images "
            "have been checked.",
        )
        parser.add_argument(
            "--max-missing",
            type=non_negative,
            default=MAX_MISSING,
            metavar="PERCENT",
            help="Restore nothing if at least 10 images, and more than PERCENT of those checked, "
            "are missing (default: %(default)s).",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        bulk = Bulk(workers=options["workers"], rate=options["rate"])
        audit = Audit(
            bulk,
            mirror=self.storage(options["mirror"]),
            restore=self.storage(options["restore"]),
            max_missing=options["max_missing"],
        )
        report = self.work(audit.run, bulk, self.columns(options), options)
        if audit.refused and not bulk.stopped:
            raise CommandError(audit.refused)
        self.conclude(report, bulk)

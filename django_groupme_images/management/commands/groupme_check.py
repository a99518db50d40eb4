"""``manage.py groupme_check``: ask whether the CDN still has every picture."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from ...audits import BAD, OUTCOMES, Audit
from ...bulk import Bulk
from ..bulk import BulkCommand


class Command(BulkCommand):
    """Looks after the pictures, of which the service is known to lose some."""

    help = (
        "Ask the CDN for every stored picture, and list the rows whose picture is gone or "
        "cannot be reached, or whose URL is no picture."
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
            help="Keep a copy of each picture in this storage, named by the picture's id.",
        )
        parser.add_argument(
            "--restore",
            metavar="ALIAS",
            help="Upload each picture that is gone again from its copy in this storage.",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        bulk = Bulk(workers=options["workers"], rate=options["rate"])
        audit = Audit(
            bulk,
            mirror=self.storage(options["mirror"]),
            restore=self.storage(options["restore"]),
        )
        self.conclude(self.work(audit.run, bulk, self.columns(options), options), bulk)

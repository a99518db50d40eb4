"""``manage.py groupme_emulator``: run an emulator of GroupMe's image service."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from django_groupme_images.emulator.cli import DESCRIPTION, add_arguments, run
from django_groupme_images.emulator.server import CannotStart


class Command(BaseCommand):
    """Command that runs the emulator, like :mod:`django_groupme_images.emulator.cli`."""

    help = DESCRIPTION
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        add_arguments(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        names = (
            "host",
            "port",
            "directory",
            "token",
            "allowed_hosts",
            "allow_private_urls",
            "thumbnail_delay",
        )
        try:
            run(**{name: options[name] for name in names}, write=self._write)
        except CannotStart as error:
            raise CommandError(str(error)) from error

    def _write(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()

"""Argument parsers of the management commands, for sphinx-argparse."""

from __future__ import annotations

from argparse import ArgumentParser
from functools import partial

from django.core.management import load_command_class
from django.core.management.base import BaseCommand


def _parser(name: str) -> ArgumentParser:
    """Return a parser with the command's own options, without those that Django adds."""
    parser = ArgumentParser(add_help=False)
    command: BaseCommand = load_command_class("django_groupme_images", name)
    command.add_arguments(parser)
    parser.description = command.help
    return parser


groupme_upload = partial(_parser, "groupme_upload")
groupme_check = partial(_parser, "groupme_check")
groupme_cleanup = partial(_parser, "groupme_cleanup")
groupme_emulator = partial(_parser, "groupme_emulator")

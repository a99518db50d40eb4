"""A Django project in a folder, whose commands run in their own processes."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from django_groupme_images.emulator import EmulatorServer
from tests import ROOT

SETTINGS = """
from tests.settings import *
DATABASES = {{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": "{folder}/db"}}}}
STORAGES["default"] = {{
    "BACKEND": "django.core.files.storage.FileSystemStorage",
    "OPTIONS": {{"location": "{folder}/files"}},
}}
GROUPME_FALLBACK = "default"
GROUPME_UPLOAD_URL = "{server.upload_url}"
GROUPME_CDN_URL = "{server.cdn_url}"
GROUPME_MAX_RETRY_WAIT = 0.01
"""


class Project:
    """
    A project with an SQLite database and a fallback storage in its folder.

    ``settings`` is Python code that follows the default settings.
    """

    def __init__(self, folder: Path, emulator: EmulatorServer, settings: str = "") -> None:
        self.folder = folder
        (folder / "project_settings.py").write_text(
            SETTINGS.format(folder=folder.as_posix(), server=emulator) + settings
        )
        self.environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": "project_settings",
            "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}",
        }

    def create_table(self) -> None:
        """Create the table of ``Member``, because ``migrate`` takes a second."""
        with closing(sqlite3.connect(self.folder / "db")) as connection:
            connection.execute("CREATE TABLE gallery_member (id INTEGER PRIMARY KEY, name, photo)")

    def insert_members(self, names: Iterable[str]) -> None:
        """Insert a row of ``Member`` for each stored name."""
        with closing(sqlite3.connect(self.folder / "db")) as connection, connection:
            connection.executemany(
                "INSERT INTO gallery_member (name, photo) VALUES ('', ?)",
                [(name,) for name in names],
            )

    def execute(self, query: str) -> None:
        """Execute a query, and commit."""
        with closing(sqlite3.connect(self.folder / "db")) as connection, connection:
            connection.execute(query)

    def stored_names(self) -> list[str]:
        """Return the stored name of each row of ``Member``."""
        with closing(sqlite3.connect(self.folder / "db")) as connection:
            return [name for (name,) in connection.execute("SELECT photo FROM gallery_member")]

    def start(self, *arguments: str, **kwargs: Any) -> subprocess.Popen[str]:
        """Start a command. The keyword arguments are those of ``Popen``."""
        defaults = {
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "env": self.environment,
        }
        return subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "django", *arguments],
            cwd=self.folder,
            text=True,
            **defaults | kwargs,
        )

    def run(self, *arguments: str, **kwargs: Any) -> tuple[int, str, str]:
        """Run a command, and return its exit code, output, and error output."""
        with self.start(*arguments, **kwargs) as process:
            out, err = process.communicate()
        return process.returncode, out or "", err or ""

"""Run the system checks of the app."""

from __future__ import annotations

import os
import subprocess
import sys

from django.core import checks

from tests import ROOT

BACKEND = "django_groupme_images.storage.GroupMeStorage"


def messages(deploy=False, app_configs=None):
    found = checks.run_checks(app_configs=app_configs, include_deployment_checks=deploy)
    return [message for message in found if message.id.startswith("groupme_images.")]


def ids(**options):
    found = messages(**options)
    assert all(message.hint for message in found)
    return [message.id.removeprefix("groupme_images.") for message in found]


def manage(project, *arguments):
    environment = {name: value for name, value in os.environ.items() if name != "GM_TOKEN"}
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=project,
        env=environment | {"DJANGO_SETTINGS_MODULE": "mysite.settings", "PYTHONPATH": str(ROOT)},
        text=True,
        capture_output=True,
        check=False,
    )

"""The configuration of the tests' app, whose label is ``gallery``."""

from django.apps import AppConfig


class TestAppConfig(AppConfig):
    name = "tests.testapp"
    label = "gallery"

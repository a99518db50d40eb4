"""Fixtures for the tests of the project as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import models
from django.test.utils import isolate_apps

from tests.support.example_project import Example, running
from tests.support.ports import free_port


@pytest.fixture
def define_model() -> Iterator[Any]:
    """Return a function that defines a model with one file field, on the table of another model."""
    with isolate_apps("tests.testapp") as registry:

        def define_model(field: models.FileField) -> Any:
            meta = type(
                "Meta",
                (),
                {"app_label": "gallery", "managed": False, "db_table": "gallery_local"},
            )
            attributes = {"photo": field, "Meta": meta, "__module__": "tests.testapp.models"}
            return type("Defined", (models.Model,), attributes)

        define_model.config = registry.get_app_config("gallery")  # type: ignore[attr-defined]
        yield define_model


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Environment variables of a new example project."""
    return {
        "PORT": str(free_port()),
        "EMULATOR_PORT": str(free_port()),
        "EXAMPLE_DATA": str(tmp_path / "data"),
    }


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Example]:
    """A running example project, shared by the tests of a module."""
    data = str(tmp_path_factory.mktemp("example"))
    ports = {"PORT": str(free_port()), "EMULATOR_PORT": str(free_port())}
    with running({**ports, "EXAMPLE_DATA": data}) as example:
        yield example

"""Test how the example project starts and stops."""

from __future__ import annotations

import signal
import socket
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.example_project import (
    PHOTOS,
    Example,
    finish,
    running,
    start_script,
)


@pytest.mark.parametrize(
    "command",
    [["check", "--fail-level", "WARNING"], ["makemigrations", "--check", "--dry-run"]],
    ids=lambda command: command[0],
)
def test_management_command_succeeds_without_warnings(
    command: list[str], environ: dict[str, str]
) -> None:
    code, _, err = finish(start_script("manage.py", *command, **environ))
    assert (code, err) == (0, "")


@pytest.mark.any_django
def test_photos_of_example_are_small_and_documented() -> None:
    readme = (PHOTOS / "README.md").read_text(encoding="utf-8")
    files = [path for path in PHOTOS.iterdir() if path.suffix != ".md"]
    assert sum(path.stat().st_size for path in files) < 1_500_000
    assert [path.name for path in files if f"`{path.name}`" not in readme] == []


@pytest.mark.any_django
def test_run_prints_urls_and_content(example: Example) -> None:
    assert example.site in example.startup_output
    assert f"{example.site}admin/ (username: admin, password: admin)" in example.startup_output
    assert example.emulator in example.startup_output
    assert "Members: 5\n" in example.startup_output
    assert "Midsummer camp: 4\n" in example.startup_output
    assert "16 images uploaded." in example.startup_output


@pytest.mark.any_django
def test_second_run_keeps_data_of_first_run(environ: dict[str, str]) -> None:
    with running(environ) as first:
        before = first.get("/").text
    with running(environ, stop=signal.SIGTERM) as second:
        assert second.startup_output.startswith("Site:")
        assert second.get("/").text == before
    with closing(sqlite3.connect(second.database)) as database, database:
        database.execute("DELETE FROM club_photo WHERE caption LIKE 'Chelsea%'")
    with running(environ) as third:
        assert "1 image uploaded." in third.startup_output


@pytest.mark.any_django
@pytest.mark.parametrize("variable", ["PORT", "EMULATOR_PORT"])
def test_run_with_port_in_use_prints_one_line_error(variable: str, environ: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        environ[variable] = str(server.getsockname()[1])
        code, out, err = finish(start_script("run.py", **environ))
    assert (code, out) == (1, "")
    assert err.startswith(f"cannot listen on 127.0.0.1 port {environ[variable]}: ")
    assert variable in err
    assert err.count("\n") == 1


@pytest.mark.any_django
@pytest.mark.parametrize(
    ("variable", "value"),
    [*(("PORT", value) for value in ["abc", "", "0", "-1", "99999"]), ("EMULATOR_PORT", "abc")],
)
def test_run_with_invalid_port_prints_one_line_error(
    variable: str, value: str, environ: dict[str, str]
) -> None:
    code, out, err = finish(start_script("run.py", **environ | {variable: value}))
    assert (code, out) == (1, "")
    assert err == f"{variable} must be a number from 1 to 65535, not {value!r}.\n"


@pytest.mark.any_django
def test_run_with_invalid_groupme_variable_prints_one_line_error(environ: dict[str, str]) -> None:
    code, out, err = finish(start_script("run.py", GROUPME="yes", **environ))
    assert (code, out, err) == (1, "", "GROUPME must be empty or 'live', not 'yes'.\n")


@pytest.mark.any_django
def test_run_with_file_as_data_folder_prints_one_line_error(
    environ: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    code, out, err = finish(
        start_script("run.py", **environ | {"EXAMPLE_DATA": f"{tmp_path}/file"})
    )
    assert (code, out) == (1, "")
    assert err.startswith(f"cannot create the directory {tmp_path}/file/")
    assert err.endswith("(set EXAMPLE_DATA to another path)\n")
    assert err.count("\n") == 1


@pytest.mark.any_django
@pytest.mark.parametrize("name", ["db.sqlite3", "pictures"])
def test_run_with_damaged_data_prints_one_line_error(name: str, environ: dict[str, str]) -> None:
    damaged = Path(environ["EXAMPLE_DATA"], environ["EMULATOR_PORT"], name)
    damaged.parent.mkdir(parents=True)
    damaged.write_text("neither a database nor a folder")
    code, out, err = finish(start_script("run.py", **environ))
    assert (code, out) == (1, "")
    # Django leaves the connection open. Therefore, Python 3.13 and newer also print a warning. It
    # can have several lines, because it appears wherever the connection is collected.
    error, *warning = err.splitlines()
    assert error.startswith("cannot use ")
    assert str(damaged) in error
    assert "PORT" not in error
    assert "DatabaseError" not in err
    assert warning == [] or (name == "db.sqlite3" and "unclosed database" in err)


@pytest.mark.any_django
@pytest.mark.parametrize("stop_signal", [signal.SIGINT, signal.SIGTERM])
def test_signal_while_django_is_imported_leaves_no_traceback(
    stop_signal: signal.Signals, tmp_path: Path
) -> None:
    # The import of this Django never ends, so that the signal arrives during the import.
    (tmp_path / "django.py").write_text("print('importing', flush=True)\nwhile True: pass\n")
    process = start_script("run.py", PYTHONPATH=str(tmp_path))
    assert process.stdout.readline() == "importing\n"
    process.send_signal(stop_signal)
    assert finish(process) == (0, "Stopped.\n", "")


@pytest.mark.any_django
def test_live_run_without_token_prints_one_line_error(environ: dict[str, str]) -> None:
    code, out, err = finish(start_script("run.py", GROUPME="live", **environ))
    assert (code, out) == (1, "")
    assert "GM_TOKEN" in err
    assert err.count("\n") == 1

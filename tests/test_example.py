"""The example project, run as its reader runs it, and looked at as a browser does."""

from __future__ import annotations

import io
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import django
import pytest
import requests
from PIL import Image

from .ports import free_port

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "example_project"
PHOTOS = EXAMPLE / "club" / "photos"


def python(script: str, *args: str, **environ: str) -> subprocess.Popen[str]:
    """A script of the example in an interpreter of its own, where warnings are errors."""
    ours = ("DJANGO_SETTINGS_MODULE", "GROUPME", "GM_TOKEN")
    env = {name: value for name, value in os.environ.items() if name not in ours}
    return subprocess.Popen(
        [sys.executable, "-W", "error", EXAMPLE / script, *args],
        env=env | {"PYTHONPATH": str(ROOT)} | environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """The exit code, and what is left to read of stdout and stderr."""
    try:
        out, err = process.communicate(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return process.returncode, out, err


@dataclass
class Example:
    """One run of run.py, and its addresses."""

    process: subprocess.Popen[str]
    environ: dict[str, str]
    #: What it printed before it was ready.
    greeting: str = ""

    @property
    def site(self) -> str:
        return f"http://127.0.0.1:{self.environ['PORT']}/"

    @property
    def emulator(self) -> str:
        return f"http://127.0.0.1:{self.environ['EMULATOR_PORT']}/"

    @property
    def database(self) -> Path:
        return Path(self.environ["EXAMPLE_DATA"], self.environ["EMULATOR_PORT"], "db.sqlite3")

    def get(self, path: str) -> Page:
        return Page(requests.get(urljoin(self.site, path), timeout=5))

    def fail_uploads(self, **fault: object) -> None:
        url = f"{self.emulator}_emulator/faults"
        fault |= {"method": "POST", "path": "/pictures"}
        requests.post(url, json=fault, timeout=5).raise_for_status()


@contextmanager
def running(environ: dict[str, str], stop: signal.Signals = signal.SIGINT) -> Iterator[Example]:
    """The example up and ready, and afterwards stopped, which must leave no trace."""
    example = Example(python("run.py", **environ), environ)
    try:
        for line in example.process.stdout:
            example.greeting += line
            if "Ctrl-C" in line:
                break
        else:
            pytest.fail(f"no start: {finish(example.process)}")
        yield example
    finally:
        example.process.send_signal(stop)
        code, out, err = finish(example.process)
    assert (code, out) == (0, "Stopped.\n")
    assert "Traceback" not in err


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {
        "PORT": str(free_port()),
        "EMULATOR_PORT": str(free_port()),
        "EXAMPLE_DATA": str(tmp_path / "data"),
    }


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Example]:
    data = str(tmp_path_factory.mktemp("example"))
    ports = {"PORT": str(free_port()), "EMULATOR_PORT": str(free_port())}
    with running({**ports, "EXAMPLE_DATA": data}) as example:
        yield example


class Page(HTMLParser):
    """An answer of the site, its elements collected."""

    def __init__(self, response: requests.Response) -> None:
        super().__init__()
        self.url = response.url
        self.status = response.status_code
        self.headers = response.headers
        self.text = response.text
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.feed(response.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def all(self, tag: str, **wanted: str) -> list[dict[str, str]]:
        return [a for name, a in self.elements if name == tag and wanted.items() <= a.items()]

    def targets(self, tag: str, attribute: str) -> set[str]:
        """Absolute URLs, without their fragments."""
        found = (attrs[attribute] for attrs in self.all(tag) if attribute in attrs)
        return {urljoin(self.url, url).partition("#")[0] for url in found}

    @property
    def csrf_token(self) -> str:
        return self.all("input", name="csrfmiddlewaretoken")[0]["value"]


class Browser:
    """A person who is on a page with a form, fills it in and sends it."""

    def __init__(self, url: str) -> None:
        self.session = requests.Session()
        self.visit(url)

    def visit(self, url: str) -> Page:
        self.page = Page(self.session.get(url, timeout=5))
        return self.page

    def submit(self, files: dict[str, tuple[str, bytes]] | None = None, **data: str) -> Page:
        data["csrfmiddlewaretoken"] = self.page.csrf_token
        headers = {"Referer": self.page.url}
        answer = self.session.post(
            self.page.url, data=data, files=files, headers=headers, timeout=20
        )
        self.page = Page(answer)
        return self.page


def fetch_image(url: str) -> Image.Image:
    response = requests.get(url, timeout=5)
    response.raise_for_status()
    return Image.open(io.BytesIO(response.content))


def upload(name: str) -> dict[str, tuple[str, bytes]]:
    return {"picture": (name, (PHOTOS / name).read_bytes())}


def site_map(example: Example) -> dict[str, Page]:
    """Every page that links lead to from the first one, but for the admin's."""
    pages: dict[str, Page] = {}
    to_visit = {example.site}
    while to_visit:
        page = example.get(to_visit.pop())
        pages[page.url] = page
        links = page.targets("a", "href")
        to_visit |= {url for url in links if url.startswith(example.site) and "/admin/" not in url}
        to_visit -= pages.keys()
    return pages


# The project itself


@pytest.mark.parametrize(
    "command",
    [["check", "--fail-level", "WARNING"], ["makemigrations", "--check", "--dry-run"]],
    ids=lambda command: command[0],
)
def test_management_command_is_content(command: list[str], environ: dict[str, str]) -> None:
    code, _, err = finish(python("manage.py", *command, **environ))
    assert (code, err) == (0, "")


@pytest.mark.any_django
def test_photographs_are_few_and_their_origin_is_recorded() -> None:
    readme = (PHOTOS / "README.md").read_text()
    files = [path for path in PHOTOS.iterdir() if path.suffix != ".md"]
    assert sum(path.stat().st_size for path in files) < 1_500_000
    assert [path.name for path in files if f"`{path.name}`" not in readme] == []


# Running it


@pytest.mark.any_django
def test_greeting_names_every_address(example: Example) -> None:
    assert example.site in example.greeting
    assert f"{example.site}admin/  (user admin, password admin)" in example.greeting
    assert example.emulator in example.greeting
    assert "Members: 5\n" in example.greeting
    assert "Midsummer camp: 4\n" in example.greeting
    assert "16 pictures uploaded." in example.greeting


@pytest.mark.any_django
def test_second_run_goes_on_where_the_first_ended(environ: dict[str, str]) -> None:
    with running(environ) as first:
        before = first.get("/").text
    with running(environ, stop=signal.SIGTERM) as second:
        assert second.greeting.startswith("The club is complete.\n")
        assert second.get("/").text == before
    with closing(sqlite3.connect(second.database)) as database, database:
        database.execute("DELETE FROM club_photo WHERE caption LIKE 'Chelsea%'")
    with running(environ) as third:
        assert "1 picture uploaded." in third.greeting


@pytest.mark.any_django
@pytest.mark.parametrize("variable", ["PORT", "EMULATOR_PORT"])
def test_busy_port_is_said_in_one_line(variable: str, environ: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        environ[variable] = str(other.getsockname()[1])
        code, out, err = finish(python("run.py", **environ))
    assert (code, out) == (1, "")
    assert err.startswith(f"cannot listen on 127.0.0.1 port {environ[variable]}: ")
    assert variable in err
    assert err.count("\n") == 1


@pytest.mark.any_django
@pytest.mark.parametrize(
    ("variable", "value"),
    [*(("PORT", value) for value in ["abc", "", "0", "-1", "99999"]), ("EMULATOR_PORT", "abc")],
)
def test_port_that_is_none_is_said_in_one_line(
    variable: str, value: str, environ: dict[str, str]
) -> None:
    code, out, err = finish(python("run.py", **environ | {variable: value}))
    assert (code, out) == (1, "")
    assert err == f"{variable} must be a number from 1 to 65535, not {value!r}.\n"


@pytest.mark.any_django
def test_unknown_service_is_said_in_one_line(environ: dict[str, str]) -> None:
    code, out, err = finish(python("run.py", GROUPME="yes", **environ))
    assert (code, out, err) == (1, "", "GROUPME must be empty or 'live', not 'yes'.\n")


@pytest.mark.any_django
def test_impossible_folder_is_said_in_one_line(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, out, err = finish(python("run.py", **environ | {"EXAMPLE_DATA": f"{tmp_path}/file"}))
    assert (code, out) == (1, "")
    assert err.startswith(f"cannot make the folder {tmp_path}/file/")
    assert err.endswith("(EXAMPLE_DATA chooses another)\n")
    assert err.count("\n") == 1


@pytest.mark.any_django
@pytest.mark.parametrize("name", ["db.sqlite3", "pictures"])
def test_damaged_data_is_said_in_one_line(name: str, environ: dict[str, str]) -> None:
    damaged = Path(environ["EXAMPLE_DATA"], environ["EMULATOR_PORT"], name)
    damaged.parent.mkdir(parents=True)
    damaged.write_text("neither a database nor a folder")
    code, out, err = finish(python("run.py", **environ))
    assert (code, out) == (1, "")
    assert err.startswith("cannot use ")
    assert str(damaged) in err
    assert "PORT" not in err
    assert err.count("\n") == 1


@pytest.mark.any_django
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stop_while_django_is_imported_leaves_no_traceback(
    number: signal.Signals, tmp_path: Path
) -> None:
    # A Django that takes its time, so that the signal always comes within the import.
    (tmp_path / "django.py").write_text("print('Here', flush=True)\nwhile True: pass\n")
    process = python("run.py", PYTHONPATH=str(tmp_path))
    assert process.stdout.readline() == "Here\n"
    process.send_signal(number)
    assert finish(process) == (0, "Stopped.\n", "")


@pytest.mark.any_django
def test_live_run_without_token_says_what_is_missing(environ: dict[str, str]) -> None:
    code, out, err = finish(python("run.py", GROUPME="live", **environ))
    assert (code, out) == (1, "")
    assert "GM_TOKEN" in err
    assert err.count("\n") == 1


# Looking at it


def test_every_page_is_whole(example: Example) -> None:
    pages = site_map(example)
    assert len(pages) >= 2 + 2 * 4 + 11
    for page in pages.values():
        assert page.status == 200, page.url
        assert page.text.count("<h1") == page.text.count("<title>") == 1
        assert all("alt" in image for image in page.all("img"))
    titles = [re.search("<title>(.*?)</title>", page.text)[1] for page in pages.values()]
    assert len(set(titles)) == len(titles)


def test_images_have_the_sizes_that_the_pages_say(example: Example) -> None:
    images = {
        (urljoin(page.url, image["src"]), int(image["width"]), int(image["height"]))
        for page in site_map(example).values()
        for image in page.all("img")
        if not image["src"].endswith(".svg")
    }
    assert len(images) >= 11 * 3 + 5
    assert [said for said in images if fetch_image(said[0]).size != said[1:]] == []


def test_pages_load_nothing_but_their_own_and_the_pictures(example: Example) -> None:
    """What a Content-Security-Policy of ``default-src 'self'; img-src 'self' <cdn>`` asks for."""
    for page in site_map(example).values():
        assert not page.all("style")
        assert not any("style" in attrs for _, attrs in page.elements)
        assert not any(name.startswith("on") for _, attrs in page.elements for name in attrs)
        own = page.targets("link", "href") | page.targets("script", "src")
        assert len(page.all("script")) == len(page.targets("script", "src"))
        assert {urlsplit(url).netloc for url in own} == {urlsplit(example.site).netloc}
        for url in own | {f"{example.site}favicon.ico"}:
            requests.get(url, timeout=5).raise_for_status()
        if django.VERSION >= (6, 0):
            policy = f"default-src 'self'; img-src 'self' {example.emulator}"
            assert page.headers["Content-Security-Policy"] == policy
        pictures = page.targets("img", "src") - own
        assert all(url.startswith(example.emulator) for url in pictures)


def test_photo_page_leads_to_its_original_and_its_neighbours(example: Example) -> None:
    album = example.get("/albums/midsummer-camp/")
    first, second = (
        example.get(f"/photos/{number}/")
        for number in re.findall(r"/photos/(\d+)/", album.text)[:2]
    )
    assert first.all("a", rel="prev") == []
    assert urljoin(first.url, first.all("a", rel="next")[0]["href"]) == second.url
    assert urljoin(second.url, second.all("a", rel="prev")[0]["href"]) == first.url
    original = next(url for url in second.targets("a", "href") if url.startswith(example.emulator))
    assert fetch_image(original).size == (1600, 900)


def test_empty_album_invites(example: Example) -> None:
    assert "No photos yet" in example.get("/").text
    assert "yours can be the first" in example.get("/albums/perseids-under-cloud/").text


def test_member_without_avatar_has_initials(example: Example) -> None:
    page = example.get("/members/")
    assert len(page.all("img", **{"class": "round"})) >= 5
    assert ">RO</span>" in page.text


# Adding to it


def test_uploaded_photo_is_in_the_album(example: Example) -> None:
    browser = Browser(f"{example.site}albums/clubhouse-wall/add/")
    caption = "Upright & <b>sound</b>"
    page = browser.submit(upload("dandelion-clock.jpg"), caption=caption, taken="2025-03-09")
    assert page.url == f"{example.site}albums/clubhouse-wall/"
    assert "is in the album." in page.text
    (tile,) = page.all("img", alt=caption)
    assert fetch_image(tile["src"]).size == (200, 200)
    original = tile["src"].removesuffix(".preview")
    assert fetch_image(original).size == (1000, 1500)
    assert fetch_image(f"{original}.large").size == (640, 960)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"times": 3, "kind": "status", "status": 503}, "The image service does not answer"),
        ({"times": 1, "kind": "status", "status": 400}, "The image service did not accept"),
        ({"times": 1, "kind": "status", "status": 401}, "This site cannot upload pictures"),
    ],
)
def test_refused_upload_is_an_error_of_the_form(
    fault: dict[str, object], message: str, example: Example
) -> None:
    browser = Browser(f"{example.site}albums/after-the-meeting/add/")
    example.fail_uploads(**fault)
    page = browser.submit(upload("cat.jpg"), caption="Twice refused", taken="2025-10-05")
    assert page.status == 200
    assert message in page.text
    assert "token" not in page.text.replace(page.csrf_token, "").replace("csrfmiddlewaretoken", "")
    (picture,) = page.all("input", name="picture")
    assert picture["accept"] == "image/jpeg,image/png,image/gif"
    assert picture["aria-invalid"] == "true"
    assert "id_picture_error" in picture["aria-describedby"]
    assert page.all("ul", id="id_picture_error")
    assert page.all("input", name="caption", value="Twice refused")
    assert page.all("input", name="taken", value="2025-10-05")
    assert "Twice refused" not in example.get("/albums/after-the-meeting/").text


def test_file_that_is_no_image_is_an_error_of_the_form(example: Example) -> None:
    browser = Browser(f"{example.site}albums/after-the-meeting/add/")
    page = browser.submit({"picture": ("notes.jpg", b"agenda")}, caption="", taken="2025-10-05")
    assert page.status == 200
    assert page.all("ul", id="id_picture_error")
    assert page.all("ul", id="id_caption_error")


def test_admin_lists_thumbnails_and_takes_pictures(example: Example) -> None:
    browser = Browser(f"{example.site}admin/")
    page = browser.submit(username="admin", password="admin", next="/admin/")
    assert "Log out" in page.text
    for model, rows in {"member": 6, "photo": 11}.items():
        page = browser.visit(f"{example.site}admin/club/{model}/")
        thumbnails = [image for image in page.all("img") if image["src"].endswith(".avatar")]
        assert len(thumbnails) >= rows - 1
    browser.visit(f"{example.site}admin/club/member/add/")
    page = browser.submit(
        {"avatar": upload("avatar-cat.jpg")["picture"]}, name="Noor", joined="2025-11-01"
    )
    assert page.url == f"{example.site}admin/club/member/"
    assert "was added successfully" in page.text


def admin(example: Example, path: str) -> Browser:
    """The admin, on a page of it."""
    browser = Browser(f"{example.site}admin/login/")
    browser.submit(username="admin", password="admin", next=f"/admin/club/{path}")
    return browser


REFUSALS = {
    "kept out": ({"times": 1, "kind": "status", "status": 401}, "This site cannot upload pictures"),
    "refused": ({"times": 1, "kind": "status", "status": 400}, "The image service did not accept"),
    "down": ({"times": 3, "kind": "status", "status": 503}, "The image service does not answer"),
}


@pytest.mark.parametrize(("fault", "message"), REFUSALS.values(), ids=REFUSALS)
def test_admin_keeps_the_form_of_a_refused_upload(
    fault: dict[str, object], message: str, example: Example
) -> None:
    browser = admin(example, "photo/add/")
    example.fail_uploads(**fault)
    page = browser.submit(
        upload("cat.jpg"), album="2", caption="Refused & kept", taken="2025-11-01", by="3"
    )
    assert (page.status, page.url) == (200, f"{example.site}admin/club/photo/add/")
    assert page.text.count('class="errorlist"') == 1
    (picture,) = page.all("input", name="picture")
    assert picture["aria-invalid"] == "true"
    assert message in page.text
    assert page.all("input", name="caption", value="Refused & kept")
    assert page.all("input", name="taken", value="2025-11-01")
    chosen = [option["value"] for option in page.all("option") if "selected" in option]
    assert chosen == ["2", "3"]
    assert "Refused" not in browser.visit(f"{example.site}admin/club/photo/").text


def test_admin_keeps_the_picture_that_a_refused_one_was_to_replace(example: Example) -> None:
    browser = admin(example, "member/1/change/")
    (before,) = (url for url in browser.page.targets("a", "href") if example.emulator in url)
    example.fail_uploads(times=1, kind="status", status=400)
    # Large enough to be a temporary file, which the service is sent the first time only.
    large = (PHOTOS / "avatar-cat.jpg").read_bytes() + bytes(3_000_000)
    page = browser.submit({"avatar": ("a.jpg", large)}, name="Ines D.", joined="2019-03-02")
    assert page.status == 200
    assert page.text.count('class="errorlist"') == 1
    assert "The image service did not accept" in page.text
    assert page.all("input", name="name", value="Ines D.")
    assert page.all("input", name="joined", value="2019-03-02")
    assert before in page.targets("a", "href")
    again = browser.visit(page.url)
    assert again.all("input", name="name", value="Ines Duarte")
    assert before in again.targets("a", "href")

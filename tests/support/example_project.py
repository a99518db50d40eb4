"""Run the example project in a process of its own, and request its pages."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
import requests
from PIL import Image

from tests import ROOT
from tests.support.deadlines import DEADLINE

EXAMPLE = ROOT / "example_project"
PHOTOS = EXAMPLE / "club" / "photos"


def start_script(script: str, *args: str, **environ: str) -> subprocess.Popen[str]:
    """Start a script of the example in a new process, in which warnings are errors."""
    removed = ("DJANGO_SETTINGS_MODULE", "GROUPME", "GM_TOKEN")
    env = {name: value for name, value in os.environ.items() if name not in removed}
    return subprocess.Popen(
        [sys.executable, "-W", "error", EXAMPLE / script, *args],
        env=env | {"PYTHONPATH": str(ROOT)} | environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Wait for the end; return the exit code and the unread output and errors."""
    try:
        out, err = process.communicate(timeout=DEADLINE)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return process.returncode, out, err


@dataclass
class Example:
    """A process of ``run.py``, and its URLs."""

    process: subprocess.Popen[str]
    environ: dict[str, str]
    #: The output before the site is ready.
    startup_output: str = ""

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
        return Page(requests.get(urljoin(self.site, path), timeout=DEADLINE))

    def upload_count(self) -> int:
        entries = requests.get(f"{self.emulator}_emulator/requests", timeout=DEADLINE).json()
        return sum(entry["method"] == "POST" for entry in entries)

    def fail_uploads(self, **fault: object) -> None:
        url = f"{self.emulator}_emulator/faults"
        fault |= {"method": "POST", "path": "/pictures"}
        requests.post(url, json=fault, timeout=DEADLINE).raise_for_status()


@contextmanager
def running(environ: dict[str, str], stop: signal.Signals = signal.SIGINT) -> Iterator[Example]:
    """Start the example, wait until it is ready, and stop it without an error."""
    if os.name == "nt":
        pytest.skip("Windows has no signals that stop the example")
    example = Example(start_script("run.py", **environ), environ)
    try:
        for line in example.process.stdout:
            example.startup_output += line
            if "Ctrl+C" in line:
                break
        else:
            pytest.fail(f"no start: {finish(example.process)}")
        yield example
    finally:
        example.process.send_signal(stop)
        code, out, err = finish(example.process)
    assert (code, out) == (0, "Stopped.\n")
    assert "Traceback" not in err


class Page(HTMLParser):
    """A response of the site, with a list of its HTML elements."""

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

    def find_all(self, tag: str, **attributes: str) -> list[dict[str, str]]:
        """Return the attributes of the elements that have these attributes."""
        return [
            attrs
            for name, attrs in self.elements
            if name == tag and attributes.items() <= attrs.items()
        ]

    def urls(self, tag: str, attribute: str) -> set[str]:
        """Return the absolute URLs in an attribute of elements, without fragments."""
        values = (attrs[attribute] for attrs in self.find_all(tag) if attribute in attrs)
        return {urljoin(self.url, url).partition("#")[0] for url in values}

    @property
    def csrf_token(self) -> str:
        return self.find_all("input", name="csrfmiddlewaretoken")[0]["value"]


class Browser:
    """An HTTP session that submits the form of its current page."""

    def __init__(self, url: str) -> None:
        self.session = requests.Session()
        self.visit(url)

    def visit(self, url: str) -> Page:
        self.page = Page(self.session.get(url, timeout=DEADLINE))
        return self.page

    def submit(self, files: Any = None, **data: Any) -> Page:
        data["csrfmiddlewaretoken"] = self.page.csrf_token
        headers = {"Referer": self.page.url}
        response = self.session.post(
            self.page.url, data=data, files=files, headers=headers, timeout=DEADLINE
        )
        self.page = Page(response)
        return self.page


def fetch_image(url: str) -> Image.Image:
    response = requests.get(url, timeout=DEADLINE)
    response.raise_for_status()
    return Image.open(io.BytesIO(response.content))


def photo_files(name: str) -> dict[str, tuple[str, bytes]]:
    """Return a photo of the example as the ``picture`` that a form submits."""
    return {"picture": (name, (PHOTOS / name).read_bytes())}


def new_photos(**names: str) -> list[tuple[str, tuple[str, bytes]]]:
    """Return photos of the example as several ``pictures``, by the captions of their files."""
    return [
        ("pictures", (f"{caption}.jpg", (PHOTOS / name).read_bytes()))
        for caption, name in names.items()
    ]


def linked_pages(example: Example) -> dict[str, Page]:
    """Return the pages that can be reached from the start page, without the admin, by URL."""
    pages: dict[str, Page] = {}
    to_visit = {example.site}
    while to_visit:
        page = example.get(to_visit.pop())
        pages[page.url] = page
        links = page.urls("a", "href")
        to_visit |= {url for url in links if url.startswith(example.site) and "/admin/" not in url}
        to_visit -= pages.keys()
    return pages

"""Log in to the running example site, upload an image, and check the pages that show it."""

import re
import sys
import time
from io import BytesIO
from pathlib import Path

import requests
from PIL import Image

site, checkout = sys.argv[1], Path(sys.argv[2])
browser = requests.Session()


def get(url: str) -> requests.Response:
    response = browser.get(url, timeout=10)
    assert response.status_code == 200, (url, response.status_code)
    return response


def post(url: str, data: dict[str, str], files: dict[str, object] | None = None) -> None:
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', get(url).text)
    assert token
    response = browser.post(url, {"csrfmiddlewaretoken": token[1], **data}, files=files, timeout=30)
    assert response.status_code == 200, (url, response.status_code)
    assert response.url != url, f"{url} is shown again: {re.findall('errorlist.*', response.text)}"


deadline = time.monotonic() + 180  # The site is installed first.
while True:
    try:
        get(site)
        break
    except requests.ConnectionError:
        assert time.monotonic() < deadline, "the example did not start"
        time.sleep(0.5)

post(f"{site}admin/login/?next=/admin/", {"username": "admin", "password": "admin"})
photo = checkout / "example_project/club/photos/raccoon.jpg"
with photo.open("rb") as file:
    post(
        f"{site}admin/club/photo/add/",
        {"album": "1", "caption": "Seen by CI", "taken": "2026-01-02"},
        {"picture": file},
    )

links = re.findall(r'<a href="(/photos/\d+/)"', get(f"{site}albums/midsummer-camp/").text)
pages = [get(site.rstrip("/") + link).text for link in links]
(page,) = [page for page in pages if "<h1>Seen by CI</h1>" in page]
(original,) = re.findall(r'<a href="(\S+)">View original</a>', page)
assert get(original).content == photo.read_bytes()
shown = re.search(r'<img src="(\S+\.large)".* width="(\d+)" height="(\d+)"', page)
assert shown
large = Image.open(BytesIO(get(shown[1]).content))
assert large.size == (int(shown[2]), int(shown[3]))
print(f"{original} has the uploaded bytes, and {shown[1]} is {large.size}")

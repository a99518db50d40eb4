"""What happens when a picture is saved, message by message, and when it is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from . import svg

__all__ = ["FAILING", "SAVING", "SHOWING", "SITE", "Step", "drawing"]

BROWSER, FORM, STORAGE = "Browser", "Form", "Storage"
DATABASE, SERVICE, CDN = "Database", "image.groupme.com", "i.groupme.com"

#: Who takes part, where they stand, and what they are.
LANES = {
    BROWSER: (76, "of a visitor"),
    FORM: (226, "and its view"),
    STORAGE: (386, "and its client"),
    DATABASE: (540, "of the project"),
    SERVICE: (682, "the image service"),
    CDN: (824, "the CDN"),
}
SITE = (FORM, STORAGE, DATABASE)
GROUPME = (SERVICE, CDN)


@dataclass(frozen=True)
class Step:
    """A message, which may be a ``request`` to GroupMe, or a ``query`` of the database."""

    source: str
    target: str
    words: str = ""
    note: str = ""
    request: str = ""
    headers: tuple[str, ...] = ()
    query: str = ""

    @property
    def label(self) -> str:
        """What stands above its arrow."""
        return " ".join(filter(None, [self.request, self.query, self.words]))

    @property
    def remark(self) -> str:
        """What stands below it."""
        return ", ".join(self.headers) or self.note


#: A form with a ``GroupMeImageField`` is sent, in the admin or on a page.
SAVING = (
    Step(BROWSER, FORM, "POST", "the form with a file"),
    Step(
        FORM,
        FORM,
        "is_valid()",
        "Is it an image, whole, of an allowed format and size? No byte is sent yet.",
    ),
    Step(FORM, STORAGE, "save(name, file)", "still in is_valid()"),
    Step(
        STORAGE,
        SERVICE,
        request="POST /pictures",
        headers=("X-Access-Token", "Content-Length", "Content-Type: image/jpeg"),
    ),
    Step(
        SERVICE, STORAGE, '200 {"payload": {"url": …}}', "https://i.groupme.com/480x325.jpeg.9e20…"
    ),
    Step(STORAGE, STORAGE, "Picture.parse(url)", "It is on the CDN. Signal: picture_uploaded."),
    Step(STORAGE, FORM, "the URL", "in place of a name"),
    Step(FORM, DATABASE, "or UPDATE", "form.save(): the URL as text, no request", query="INSERT"),
    Step(FORM, BROWSER, "302", "Saved."),
)

#: What becomes of a picture that the service did not take.
FAILING = (
    (
        "Tried again",
        "Twice (max_retries), after 420, 429, 5xx but not 501, or a broken connection. Never "
        "after silence: the service may have the picture.",
    ),
    (
        "With a fallback",
        "If later may be better, the file goes to the fallback storage, its name there into the "
        "column, and manage.py groupme_upload moves it on.",
    ),
    (
        "Otherwise",
        "An error of the field says what to do. No row is written, and what was typed into "
        "the other fields is still there.",
    ),
)

#: A page shows the picture later.
SHOWING = (
    Step(BROWSER, FORM, "GET", "a page that shows it"),
    Step(FORM, DATABASE, query="SELECT", note="the URL as text"),
    Step(FORM, BROWSER, "200 HTML", "from the URL alone"),
    Step(BROWSER, CDN, request="GET /480x325.jpeg.9e20….avatar", note="as the page’s <img> says"),
    Step(CDN, BROWSER, "200", "60×60 pixels"),
)

TITLE = "How a picture is saved, and shown"
SENT = "A form with a picture is sent: one request to GroupMe"
SHOWN = "Later, a page shows it: no request but the browser’s"
DESCRIPTION = (
    "Messages between a browser, a form, the storage with its client, the database, and the two "
    "hosts of GroupMe. Saving: {saving}. If the upload fails: {failing} Showing: {showing}."
)

MARGIN, HEADS, TOP = 16, 82, 142
STEP, PART, PANEL = 48, 58, 112


def _look(lane: str) -> tuple[str, str]:
    """How a lane's head is filled, and the colour of what it sends."""
    if lane in GROUPME:
        return "beside beside-edge", "amber"
    return ("band edge", "blue") if lane in SITE else ("room edge", "ink")


def _heads() -> list[str]:
    shapes = []
    for name, (x, what) in LANES.items():
        kind, colour = _look(name)
        font = "code strong" if name in GROUPME else "name"
        shapes += [
            svg.box(x - 66, HEADS, 132, 40, kind),
            svg.text(x, HEADS + 17, name, f"{font} {colour} middle"),
            svg.text(x, HEADS + 32, what, "muted middle"),
        ]
    for owner, lanes, colour in (("Your site", SITE, "blue"), ("GroupMe", GROUPME, "amber")):
        left, right = LANES[lanes[0]][0] - 66, LANES[lanes[-1]][0] + 66
        shapes.append(svg.line([(left, HEADS - 7), (right, HEADS - 7)], f"{colour}-line", 2))
        shapes.append(svg.text(left, HEADS - 14, owner, f"head {colour}"))
    return shapes


def _remark(step: Step) -> list[str]:
    room = abs(LANES[step.target][0] - LANES[step.source][0]) or 310
    return svg.wrapped(step.remark, room - 20)


def _height(step: Step) -> int:
    return STEP + svg.LEADING * (len(_remark(step)) - 1)


def _step(number: int, step: Step, y: float) -> list[str]:
    """A message with its arrow at ``y``."""
    start, end = LANES[step.source][0], LANES[step.target][0]
    colour = _look(step.source)[1]
    left, points = min(start, end) + 14, [(start, y), (end, y)]
    if start == end:
        left = start + 30
        points = [(start, y - 14), (start + 22, y - 14), (start + 22, y + 11), (start, y + 11)]
    return [
        svg.arrow(points, colour),
        svg.text(left, y - 6, step.label, f"code {'strong ' if step.request else ''}ink over"),
        *svg.paragraph(left, y + 13, _remark(step), "muted over"),
        svg.disc(*points[0], number, colour),
    ]


def _part(heading: str, steps: Sequence[Step], first: int, y: float) -> tuple[list[str], float]:
    """A heading with the steps below it, and where they end."""
    *tops, end = accumulate(map(_height, steps), initial=y + PART)
    shapes = [
        svg.box(MARGIN, y, svg.WIDTH - 2 * MARGIN, 24, "band edge"),
        svg.text(MARGIN + 10, y + 16.5, heading, "name ink"),
    ]
    for number, (step, top) in enumerate(zip(steps, tops, strict=True), first):
        shapes += _step(number, step, top)
    return shapes, end - 14


def _panel(y: float) -> list[str]:
    """What becomes of a failure: a column for each case."""
    width = (svg.WIDTH - 2 * MARGIN) / len(FAILING)
    upload = next(number for number, step in enumerate(SAVING, 1) if step.request)
    shapes = [
        svg.box(MARGIN, y, svg.WIDTH - 2 * MARGIN, PANEL, "room edge", radius=8),
        svg.text(MARGIN + 14, y + 22, f"If the upload ({upload}) fails", "head red"),
    ]
    for column, (case, outcome) in enumerate(FAILING):
        x = MARGIN + 14 + column * width
        shapes.append(svg.text(x, y + 44, case, "name ink"))
        shapes += svg.paragraph(x, y + 60, svg.wrapped(outcome, width - 24), "muted")
    return shapes


def _read_aloud(steps: Sequence[Step]) -> str:
    return "; ".join(f"{step.source} to {step.target}: {step.label}" for step in steps)


def _description() -> str:
    failing = " ".join(f"{case}: {outcome}" for case, outcome in FAILING)
    return DESCRIPTION.format(
        saving=_read_aloud(SAVING), failing=failing, showing=_read_aloud(SHOWING)
    )


def drawing() -> str:
    """The messages, as SVG."""
    saving, saved = _part(SENT, SAVING, 1, TOP)
    showing, end = _part(SHOWN, SHOWING, len(SAVING) + 1, saved + PANEL + 20)
    shapes = [
        svg.text(MARGIN + 8, 40, TITLE, "title ink"),
        *(svg.line([(x, HEADS + 40), (x, end)], "muted-line dashed") for x, _ in LANES.values()),
        *_heads(),
        *saving,
        *_panel(saved),
        *showing,
    ]
    return svg.document(end + MARGIN, TITLE, _description(), shapes)

"""The tags and filters, in Django's templates and in Jinja2's."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from django.core.files.base import ContentFile
from django.template import Context, Template, TemplateSyntaxError, engines
from django.utils.functional import SimpleLazyObject
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy, override

from django_groupme_images import rendering
from django_groupme_images.pictures import Picture
from django_groupme_images.storage import GroupMeStorage

from . import emulator_pictures as pictures
from .gallery.models import Local, Member, Plain
from .urls_of_pictures import ID, JPEG, LARGE, LEGACY

SMALL = ' srcset="{} 480w" sizes="(max-width: 480px) 100vw, 480px"'
COMMON = 'loading="lazy" decoding="async"'


def render(source, autoescape=True, **context):
    template = Template("{% load groupme_images %}" + source)
    return template.render(Context(context, autoescape=autoescape))


def jinja(source, **context):
    return engines["jinja2"].from_string(source).render(context)


def image(value, *arguments, **attributes):
    """The same tag by both engines, which must agree."""
    attributes = {"alt": "A cat", **attributes}
    names = [f"a{n}" for n in range(len(arguments))]
    context = {"v": value, **dict(zip(names, arguments, strict=True)), **attributes}
    pairs = [f"{name}={name}" for name in attributes]
    django = render("{% groupme_image " + " ".join(["v", *names, *pairs]) + " %}", **context)
    assert django == jinja(
        "{{ groupme_image(" + ", ".join(["v", *names, *pairs]) + ") }}", **context
    )
    return django


def test_the_line_in_the_readme():
    source = '{% groupme_image photo "avatar" alt=member.name class="round" %}'
    assert render(source, photo=Member(photo=JPEG).photo, member={"name": "Ada"}) == (
        f'<img src="{JPEG}.avatar" width="60" height="60" alt="Ada" class="round" {COMMON}>'
    )


@pytest.mark.parametrize(
    ("variant", "width", "height"),
    [("preview", 200, 200), ("avatar", 60, 60), ("large", 480, 325), (None, 480, 325)],
)
@pytest.mark.parametrize(
    "value",
    [
        Member(photo=JPEG).photo,
        Plain(photo=JPEG).photo,
        Picture.parse(JPEG),
        JPEG,
        f"{JPEG}.large",
        JPEG.replace("https", "http"),
        mark_safe(JPEG),
    ],
    ids=["field", "plain field", "Picture", "URL", "variant", "http", "safe"],
)
def test_a_picture_that_is_never_enlarged(value, variant, width, height):
    source = f"{JPEG}.{variant}" if variant else JPEG
    arguments = [variant] if variant else []
    sizes = "" if width in (200, 60) else SMALL.format(source)
    assert image(value, *arguments) == (
        f'<img src="{source}" width="{width}" height="{height}"{sizes} alt="A cat" {COMMON}>'
    )
    url = " ".join(["{% groupme_url v", *(f'"{name}"' for name in arguments), "%}"])
    assert render(url, v=value) == source
    assert jinja("{{ groupme_url(v, w) }}", v=value, w=variant) == source


@pytest.mark.parametrize(
    ("arguments", "source", "width", "height"),
    [(["large"], f"{LARGE}.large", 960, 720), ([], LARGE, 4032, 3024)],
)
def test_a_picture_for_screens_of_all_sizes(arguments, source, width, height):
    assert image(LARGE, *arguments) == (
        f'<img src="{source}" width="{width}" height="{height}" '
        f'srcset="{LARGE}.large 960w, {LARGE} 4032w" '
        f'sizes="(max-width: {width}px) 100vw, {width}px" alt="A cat" {COMMON}>'
    )
    assert "srcset" not in image(LARGE, "preview")
    assert 'sizes="50vw"' in image(LARGE, *arguments, sizes="50vw")
    without = image(LARGE, *arguments, srcset=None)
    assert "srcset" not in without
    assert "sizes" not in without


def test_a_picture_of_unknown_size():
    assert image(LEGACY, "large") == f'<img src="{LEGACY}.large" alt="A cat" {COMMON}>'
    assert image(LEGACY) == f'<img src="{LEGACY}" alt="A cat" {COMMON}>'
    assert 'width="200" height="200"' in image(LEGACY, "preview")


def test_attributes():
    assert image(
        JPEG,
        "avatar",
        data_member_id=7,
        hidden=True,
        title=None,
        draggable=False,
        width=30,
        height=None,
        loading="eager",
        fetchpriority="high",
        decoding=None,
    ) == (
        f'<img src="{JPEG}.avatar" width="30" alt="A cat" data-member-id="7" hidden '
        'loading="eager" fetchpriority="high">'
    )


def test_a_name_in_capitals_is_no_second_attribute():
    html = image(JPEG, "avatar", alt=None, ALT="A cat", Loading="eager", dataX=1)
    assert ' alt="A cat" loading="eager" datax="1" decoding="async">' in html
    assert html.lower().count("alt=") == html.lower().count("loading=") == 1


def test_of_two_that_are_the_same_the_last_counts():
    for pair in ('ALT=a alt="b"', 'alt="a" ALT=b', 'alt="a" ALT="b"', "alt=a ALT=b"):
        assert ' alt="b" ' in render("{% groupme_image v " + pair + " %}", v=JPEG, a="a", b="b")


def test_an_attribute_that_depends_on_who_looks():
    template = Template("{% load groupme_images %}{% groupme_image v alt=_('Yes') title='Yes' %}")
    for language, yes in (("en", "Yes"), ("de", "Ja")):
        with override(language):
            html = template.render(Context({"v": JPEG}))
        assert f' alt="{yes}" title="Yes" ' in html


def test_an_attribute_with_a_filter():
    assert ' alt="A" ' in render("{% groupme_image v alt='a'|upper %}", v=JPEG)


def test_an_empty_srcset_is_none():
    assert "srcset" not in image(LARGE, srcset="")
    assert "sizes" not in image(LARGE, srcset="")


def test_attributes_are_asked_for_where_there_is_a_picture_alone():
    class Name:
        def __str__(self):
            asked.append(self)  # a query, in a project
            return "Ada"

    asked = []
    assert image(None, "avatar", alt=Name(), title=Name()) == ""
    assert asked == []
    assert 'alt="Ada" title="Ada"' in image(JPEG, "avatar", alt=Name(), title=Name())


def test_a_value_that_breaks_while_it_is_written():
    class Name:
        def __str__(self):
            raise ValueError("no name")

    with pytest.raises(TemplateSyntaxError, match="groupme_image: no name"):
        render("{% groupme_image v alt=a %}", v=JPEG, a=Name())


def test_attributes_of_any_name():
    assert ' target="a" node="b" ' in image(JPEG, target="a", node="b")
    assert ' self="a" ' in render("{% groupme_image v self=a %}", v=JPEG, a="a")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", "did not receive value.*'value'"),
        ("v 'avatar' '' 'more'", "received too many positional arguments"),
        ("v alt='a' alt='b'", "received multiple values for keyword argument 'alt'"),
        ("v a/b='c'", "Could not parse the remainder: '/b="),
        ("v _='c'", "groupme_image: '_' cannot be the name of an HTML attribute"),
        ("v 'avatar' variant='large'", "groupme_image: .*multiple values for argument 'variant'"),
    ],
)
def test_a_tag_that_is_written_wrongly(arguments, message):
    with pytest.raises(TemplateSyntaxError, match=message):
        render("{% groupme_image " + arguments + " %}", v=JPEG)


@pytest.mark.parametrize("alt", [None, "", False])
def test_there_is_always_an_alt(alt):
    assert 'height="60" alt="" ' in image(JPEG, "avatar", alt=alt)
    assert ' alt="" ' in render("{% groupme_image v %}", v=JPEG)


@pytest.mark.parametrize("value", ['"><script>alert(1)</script>', "a & b", "'", "\"'<>&", "é\n"])
@pytest.mark.parametrize("wrap", [str, mark_safe])
def test_html_in_an_attribute(value, wrap):
    class Attributes(HTMLParser):
        def handle_starttag(self, tag, attrs):
            self.seen = [*getattr(self, "seen", []), (tag, dict(attrs))]

    parser = Attributes()
    parser.feed(image(JPEG, "avatar", alt=wrap(value), data_x=wrap(value)))
    ((tag, attributes),) = parser.seen
    assert tag == "img"
    assert attributes["alt"] == attributes["data-x"] == value
    assert attributes.keys() == {
        *("src", "width", "height", "alt", "data-x", "loading", "decoding")
    }


def test_safe_text_of_jinja_with_quotes():
    source = "{% set a %}Say \"hi\"{% endset %}{{ groupme_image(v, 'avatar', alt=a) }}"
    assert 'alt="Say &quot;hi&quot;"' in jinja(source, v=JPEG)


def test_an_alt_that_is_a_number():
    assert ' alt="0" ' in image(JPEG, "avatar", alt=0)


@pytest.mark.parametrize(
    "value",
    [
        SimpleLazyObject(lambda: JPEG),
        SimpleLazyObject(lambda: Member(photo=JPEG).photo),
        SimpleLazyObject(lambda: Picture.parse(JPEG)),
        gettext_lazy(JPEG),
    ],
    ids=["URL", "field", "Picture", "translation"],
)
def test_a_lazy_value(value):
    assert render("{{ v|groupme_avatar }}", v=value) == f"{JPEG}.avatar"


@pytest.mark.parametrize("variant", ["", "AVATAR", "original"])
def test_a_variable_that_is_no_variant(variant):
    with pytest.raises(TemplateSyntaxError, match="there are preview, large, avatar"):
        render("{% groupme_url v w %}", v=JPEG, w=variant)


@pytest.mark.parametrize("cdn_url", [None, 5, ["x"]])
def test_a_wrong_setting_breaks_no_page(settings, cdn_url):
    settings.GROUPME_CDN_URL = cdn_url
    for value in (JPEG, Member(photo=JPEG).photo):
        assert render("{{ v|groupme_avatar }}", v=value) == f"{JPEG}.avatar"
    assert render("{{ v|groupme_avatar }}", v="photos/cat.png") == ""


def test_text_that_is_escaped_already_is_not_escaped_again():
    assert 'alt="a &amp; b"' in render('{% groupme_image v alt="a &amp; b" %}', v=JPEG)


@pytest.mark.parametrize("name", ["on load", "a=b", "x>", '"', "", "_", "a/b", "é"])
def test_a_name_that_no_attribute_can_have(name):
    with pytest.raises(ValueError, match="cannot be the name of an HTML attribute"):
        rendering.image(value=JPEG, attributes={name: "x"})


def test_names_from_python():
    assert ' class="round" ' in rendering.image(value=JPEG, attributes={"class_": "round"})


UNKNOWN = [
    None,
    "",
    "photos/cat.png",
    "https://example.com/cat.png",
    "javascript:alert(1)",
    5,
    [JPEG],
    b"x",
    pytest.param(object(), id="object"),
    Member().photo,
    Member(photo="photos/cat.png").photo,
    Member(photo=ContentFile(b"x", name="cat.png")).photo,
]


@pytest.mark.parametrize("value", UNKNOWN, ids=lambda value: repr(value)[:30])
def test_what_is_no_picture_breaks_no_page(value):
    for variant in ([], ["preview"]):
        assert image(value, *variant) == ""
        assert image(value, *variant, default="a <cat>") == "a &lt;cat&gt;"
        assert image(value, *variant, default=mark_safe("<b>none</b>")) == "<b>none</b>"
        assert image(value, *variant, default=None) == ""
    assert render("{% groupme_url v %}", v=value) == ""
    assert render('{% groupme_url v "large" default="/none.png" %}', v=value) == "/none.png"
    assert render("{% groupme_url v default=None %}", v=value) == ""
    assert jinja("{{ groupme_url(v, default=none) }}", v=value) == ""
    for name in ("preview", "large", "avatar"):
        assert render("{{ v|groupme_%s }}" % name, v=value) == ""
        assert jinja("{{ v|groupme_%s }}" % name, v=value) == ""


def test_a_missing_variable_breaks_no_page():
    assert render("{% groupme_image nobody.photo 'avatar' %}") == ""
    assert jinja("{{ groupme_image(nobody, 'avatar') }}") == ""


def test_a_file_of_another_storage_has_its_own_url():
    value = Local(photo="local/a&b.png").photo
    assert image(value, "avatar") == f'<img src="/local/a%26b.png" alt="A cat" {COMMON}>'
    assert render("{{ v|groupme_large }}", v=value) == "/local/a%26b.png"


@pytest.mark.parametrize("variant", ["preview", "large", "avatar"])
def test_filters(variant):
    for value in (JPEG, Member(photo=JPEG).photo, Picture.parse(JPEG)):
        assert render("{{ v|groupme_%s }}" % variant, v=value) == f"{JPEG}.{variant}"
        assert jinja("{{ v|groupme_%s }}" % variant, v=value) == f"{JPEG}.{variant}"


@pytest.mark.parametrize("tag", ["groupme_image", "groupme_url"])
@pytest.mark.parametrize("value", [JPEG, None, "no picture"])
def test_an_unknown_variant(tag, value):
    with pytest.raises(
        TemplateSyntaxError, match=f"{tag}: no variant 'huge': there are preview, large, avatar"
    ):
        render("{% " + tag + ' v "huge" %}', v=value)
    with pytest.raises(ValueError, match="there are preview, large, avatar"):
        jinja("{{ " + tag + '(v, "huge") }}', v=value)


def test_the_result_as_a_variable():
    source = (
        '{% groupme_url v "large" as url %}{% groupme_image v "avatar" as img %}{{ url }} {{ img }}'
    )
    assert render(source, v=JPEG).startswith(f"{JPEG}.large <img src=")


def test_without_autoescape():
    assert render("{% groupme_image v alt='<' %}", autoescape=False, v=JPEG).startswith("<img src=")


def test_a_cdn_of_one_s_own(settings):
    settings.GROUPME_CDN_URL = "http://127.0.0.1:8001/"
    own = f"http://127.0.0.1:8001/48x32.png.{ID}"
    for value in (own, Member(photo=own).photo, Picture.parse(own, "http://127.0.0.1:8001/")):
        assert render("{{ v|groupme_avatar }}", v=value) == f"{own}.avatar"
    # A URL that came from production with the data is still a picture there.
    for value in (JPEG, Member(photo=JPEG).photo):
        assert render("{{ v|groupme_avatar }}", v=value) == f"{JPEG}.avatar"


@pytest.mark.django_db
def test_rendering_is_pure(forbid_io, django_assert_num_queries):
    """No query, no cache, no storage, no socket."""
    Member.objects.bulk_create(Member(name=str(n), photo=LARGE) for n in range(10))
    rows = list(Member.objects.all())

    forbid_io()
    source = (
        '{% for row in rows %}{% groupme_image row.photo "avatar" alt=row.name %}'
        '{% groupme_image row.photo %}{% groupme_url row.photo "large" %}'
        "{{ row.photo|groupme_preview }}{{ row.photo.width }}{{ row.photo.avatar_url }}{% endfor %}"
    )
    with django_assert_num_queries(0):
        assert render(source, rows=rows).count("<img ") == 20


def test_both_engines_have_the_same_names():
    from django_groupme_images.templatetags.groupme_images import register

    environment = engines["jinja2"].env
    assert set(register.tags) <= set(environment.globals)
    assert set(register.filters) <= set(environment.filters)


def test_a_thumbnail_on_a_page_has_the_size_that_the_page_says(emulator):
    storage = GroupMeStorage()
    photo = pictures.plain(size=(1921, 1081))
    value = Member(photo=storage.save("cat.jpg", ContentFile(photo))).photo
    for variant in ("preview", "large", "avatar"):
        width, height = value.picture.variant_size(variant)
        assert f'width="{width}" height="{height}"' in image(value, variant)
        data = storage.client._session.get(value.picture.variant_url(variant), timeout=5).content
        assert pictures.opened(data).size == (width, height)

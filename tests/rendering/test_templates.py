"""The template tags and filters in Django templates and in Jinja2."""

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
from tests.support import emulator_pictures as pictures
from tests.support.deadlines import DEADLINE
from tests.support.urls_of_pictures import ID, JPEG, LARGE, LEGACY
from tests.testapp.models import Local, Member, Plain

SMALL = ' srcset="{} 480w" sizes="(max-width: 480px) 100vw, 480px"'
COMMON = 'loading="lazy" decoding="async"'


def render(source, autoescape=True, **context):
    template = Template("{% load groupme_images %}" + source)
    return template.render(Context(context, autoescape=autoescape))


def jinja(source, **context):
    return engines["jinja2"].from_string(source).render(context)


def image(value, *arguments, **attributes):
    """Render a tag with both engines, which must return the same HTML."""
    attributes = {"alt": "A cat", **attributes}
    names = [f"a{n}" for n in range(len(arguments))]
    context = {"v": value, **dict(zip(names, arguments, strict=True)), **attributes}
    pairs = [f"{name}={name}" for name in attributes]
    django = render("{% groupme_image " + " ".join(["v", *names, *pairs]) + " %}", **context)
    assert django == jinja(
        "{{ groupme_image(" + ", ".join(["v", *names, *pairs]) + ") }}", **context
    )
    literals = [f'"{argument}"' for argument in arguments]
    tag = " ".join(["groupme_image v", *literals, *pairs])
    assert django == render("{% " + tag + " %}", **context)
    return django


def test_image_tag_from_readme_renders_avatar():
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
def test_tags_with_small_image_render_its_dimensions(value, variant, width, height):
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
def test_image_tag_with_large_image_renders_srcset(arguments, source, width, height):
    assert image(LARGE, *arguments) == (
        f'<img src="{source}" width="{width}" height="{height}" '
        f'srcset="{LARGE}.large 960w, {LARGE} 4032w" '
        f'sizes="(max-width: {width}px) 100vw, {width}px" alt="A cat" {COMMON}>'
    )
    assert "srcset" not in image(LARGE, "preview")
    assert 'sizes="50vw"' in image(LARGE, *arguments, sizes="50vw")
    html = image(LARGE, *arguments, srcset=None)
    assert "srcset" not in html
    assert "sizes" not in html


def test_image_tag_with_unknown_dimensions_omits_them():
    assert image(LEGACY, "large") == f'<img src="{LEGACY}.large" alt="A cat" {COMMON}>'
    assert image(LEGACY) == f'<img src="{LEGACY}" alt="A cat" {COMMON}>'
    assert 'width="200" height="200"' in image(LEGACY, "preview")


def test_image_tag_attributes_override_defaults():
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


def test_image_tag_attribute_in_upper_case_replaces_default():
    html = image(JPEG, "avatar", alt=None, ALT="A cat", Loading="eager", dataX=1)
    assert ' alt="A cat" loading="eager" datax="1" decoding="async">' in html
    assert html.lower().count("alt=") == html.lower().count("loading=") == 1


def test_image_tag_with_same_attribute_twice_uses_the_last():
    for pair in ('ALT=a alt="b"', 'alt="a" ALT=b', 'alt="a" ALT="b"', "alt=a ALT=b"):
        assert ' alt="b" ' in render("{% groupme_image v " + pair + " %}", v=JPEG, a="a", b="b")


def test_image_tag_attribute_with_translation_follows_language():
    template = Template("{% load groupme_images %}{% groupme_image v alt=_('Yes') title='Yes' %}")
    for language, yes in (("en", "Yes"), ("de", "Ja")):
        with override(language):
            html = template.render(Context({"v": JPEG}))
        assert f' alt="{yes}" title="Yes" ' in html


def test_image_tag_attribute_with_filter_is_filtered():
    assert ' alt="A" ' in render("{% groupme_image v alt='a'|upper %}", v=JPEG)


def test_image_tag_with_empty_srcset_omits_it():
    assert "srcset" not in image(LARGE, srcset="")
    assert "sizes" not in image(LARGE, srcset="")


def test_image_tag_without_image_does_not_evaluate_attributes():
    class Name:
        def __str__(self):
            evaluated.append(self)  # In a project, this may be a query.
            return "Ada"

    evaluated = []
    assert image(None, "avatar", alt=Name(), title=Name()) == ""
    assert evaluated == []
    assert 'alt="Ada" title="Ada"' in image(JPEG, "avatar", alt=Name(), title=Name())


def test_image_tag_attribute_that_raises_is_a_syntax_error():
    class Name:
        def __str__(self):
            raise ValueError("no name")

    with pytest.raises(TemplateSyntaxError, match="groupme_image: no name"):
        render("{% groupme_image v alt=a %}", v=JPEG, a=Name())


def test_image_tag_attributes_named_like_python_arguments_are_rendered():
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
def test_image_tag_with_invalid_arguments_raises_syntax_error(arguments, message):
    with pytest.raises(TemplateSyntaxError, match=message):
        render("{% groupme_image " + arguments + " %}", v=JPEG)


@pytest.mark.parametrize(
    "value",
    [
        JPEG,
        Member(photo=JPEG).photo,
        Member(photo="a.png").photo,
        Picture.parse(f"http://localhost/a&'b'/{ID}", "http://localhost/a&'b'/"),
    ],
)
@pytest.mark.parametrize("variant", ["preview", "avatar", "large"])
@pytest.mark.parametrize(
    "attributes",
    [
        "",
        "alt=dynamic",
        "title=dynamic alt='A' width=5",
        "title='A' ALT=dynamic height=dynamic",
        "style='width: 50%' title='%s %(a)s' alt=dynamic",
        "loading=None decoding=True",
        "src=dynamic",
        "src='b.png'",
        "sizes='50vw'",
        "srcset=dynamic sizes='50vw'",
    ],
)
def test_image_tag_with_literal_variant_renders_same_html(value, variant, attributes):
    literal = f"{{% groupme_image v '{variant}' {attributes} %}}"
    variable = f"{{% groupme_image v variant {attributes} %}}"
    context = {"v": value, "variant": variant, "dynamic": "50% <b>"}
    assert render(literal, **context) == render(variable, **context)


@pytest.mark.parametrize("alt", [None, "", False])
def test_image_tag_without_alt_renders_empty_alt(alt):
    assert 'height="60" alt="" ' in image(JPEG, "avatar", alt=alt)
    assert ' alt="" ' in render("{% groupme_image v %}", v=JPEG)


@pytest.mark.parametrize("value", ['"><script>alert(1)</script>', "a & b", "'", "\"'<>&", "é\n"])
@pytest.mark.parametrize("wrap", [str, mark_safe])
def test_image_tag_attribute_with_html_is_escaped(value, wrap):
    class Attributes(HTMLParser):
        def handle_starttag(self, tag, attrs):
            self.tags = [*getattr(self, "tags", []), (tag, dict(attrs))]

    parser = Attributes()
    parser.feed(image(JPEG, "avatar", alt=wrap(value), data_x=wrap(value)))
    ((tag, attributes),) = parser.tags
    assert tag == "img"
    assert attributes["alt"] == attributes["data-x"] == value
    assert attributes.keys() == {
        *("src", "width", "height", "alt", "data-x", "loading", "decoding")
    }


def test_image_tag_attribute_with_safe_jinja_block_escapes_quotes():
    source = "{% set a %}Say \"hi\"{% endset %}{{ groupme_image(v, 'avatar', alt=a) }}"
    assert 'alt="Say &quot;hi&quot;"' in jinja(source, v=JPEG)


def test_image_tag_with_zero_as_alt_renders_it():
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
def test_filter_with_lazy_value_renders_url(value):
    assert render("{{ v|groupme_avatar }}", v=value) == f"{JPEG}.avatar"


@pytest.mark.parametrize("variant", ["", "AVATAR", "original"])
def test_url_tag_with_variable_that_is_not_a_variant_raises(variant):
    with pytest.raises(TemplateSyntaxError, match="Choose from: preview, large, avatar"):
        render("{% groupme_url v w %}", v=JPEG, w=variant)


@pytest.mark.parametrize("cdn_url", [None, 5, ["x"]])
def test_filter_with_invalid_cdn_url_setting_renders_url(settings, cdn_url):
    settings.GROUPME_CDN_URL = cdn_url
    for value in (JPEG, Member(photo=JPEG).photo):
        assert render("{{ v|groupme_avatar }}", v=value) == f"{JPEG}.avatar"
    assert render("{{ v|groupme_avatar }}", v="photos/cat.png") == ""


def test_image_tag_attribute_with_escaped_literal_is_not_escaped_again():
    assert 'alt="a &amp; b"' in render('{% groupme_image v alt="a &amp; b" %}', v=JPEG)


@pytest.mark.parametrize("name", ["on load", "a=b", "x>", '"', "", "_", "a/b", "é"])
def test_rendering_image_with_invalid_attribute_name_raises(name):
    with pytest.raises(ValueError, match="cannot be the name of an HTML attribute"):
        rendering.image(value=JPEG, attributes={name: "x"})


def test_rendering_image_with_trailing_underscore_removes_it():
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
def test_tags_with_value_that_is_not_an_image_render_default(value):
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


def test_image_tag_with_missing_variable_renders_nothing():
    assert render("{% groupme_image nobody.photo 'avatar' %}") == ""
    assert jinja("{{ groupme_image(nobody, 'avatar') }}") == ""


def test_tags_with_file_of_other_storage_render_its_url():
    value = Local(photo="local/a&b.png").photo
    assert image(value, "avatar") == f'<img src="/local/a%26b.png" alt="A cat" {COMMON}>'
    assert render("{{ v|groupme_large }}", v=value) == "/local/a%26b.png"


@pytest.mark.parametrize("variant", ["preview", "large", "avatar"])
def test_filter_with_image_returns_variant_url(variant):
    for value in (JPEG, Member(photo=JPEG).photo, Picture.parse(JPEG)):
        assert render("{{ v|groupme_%s }}" % variant, v=value) == f"{JPEG}.{variant}"
        assert jinja("{{ v|groupme_%s }}" % variant, v=value) == f"{JPEG}.{variant}"


@pytest.mark.parametrize("tag", ["groupme_image", "groupme_url"])
@pytest.mark.parametrize("value", [JPEG, None, "no picture"])
def test_tags_with_unknown_variant_raise(tag, value):
    with pytest.raises(
        TemplateSyntaxError,
        match=f"{tag}: Unknown variant 'huge'. Choose from: preview, large, avatar.",
    ):
        render("{% " + tag + ' v "huge" %}', v=value)
    with pytest.raises(ValueError, match="Choose from: preview, large, avatar"):
        jinja("{{ " + tag + '(v, "huge") }}', v=value)


def test_tags_with_as_clause_set_variable():
    source = (
        '{% groupme_url v "large" as url %}{% groupme_image v "avatar" as img %}{{ url }} {{ img }}'
    )
    assert render(source, v=JPEG).startswith(f"{JPEG}.large <img src=")


def test_image_tag_without_autoescape_renders_img_element():
    assert render("{% groupme_image v alt='<' %}", autoescape=False, v=JPEG).startswith("<img src=")


def test_filter_with_custom_cdn_renders_urls_of_both_cdns(settings):
    settings.GROUPME_CDN_URL = "http://127.0.0.1:8001/"
    own = f"http://127.0.0.1:8001/48x32.png.{ID}"
    for value in (own, Member(photo=own).photo, Picture.parse(own, "http://127.0.0.1:8001/")):
        assert render("{{ v|groupme_avatar }}", v=value) == f"{own}.avatar"
    # URLs that were copied with the data of production are still rendered.
    for value in (JPEG, Member(photo=JPEG).photo):
        assert render("{{ v|groupme_avatar }}", v=value) == f"{JPEG}.avatar"


@pytest.mark.django_db
def test_tags_with_many_rows_perform_no_io(forbid_io, django_assert_num_queries):
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


def test_jinja2_environment_has_all_tags_and_filters():
    from django_groupme_images.templatetags.groupme_images import register

    environment = engines["jinja2"].env
    assert set(register.tags) <= set(environment.globals)
    assert set(register.filters) <= set(environment.filters)


def test_image_tag_dimensions_equal_those_of_downloaded_variant(emulator):
    storage = GroupMeStorage()
    photo = pictures.plain(size=(1921, 1081))
    value = Member(photo=storage.save("cat.jpg", ContentFile(photo))).photo
    for variant in ("preview", "large", "avatar"):
        width, height = value.picture.variant_size(variant)
        assert f'width="{width}" height="{height}"' in image(value, variant)
        data = storage.client._session.get(
            value.picture.variant_url(variant), timeout=DEADLINE
        ).content
        assert pictures.opened(data).size == (width, height)

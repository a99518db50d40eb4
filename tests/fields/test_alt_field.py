"""The argument ``alt_field``, the attribute ``alt`` of values, and the check of the argument."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import pytest
from django.contrib.contenttypes.fields import GenericForeignKey, GenericRelation
from django.contrib.contenttypes.models import ContentType
from django.db import connection, models
from django.db.migrations.writer import MigrationWriter
from django.test.utils import isolate_apps
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext_lazy, override

from django_groupme_images.fields import GroupMeImageField
from tests.support.urls_of_pictures import JPEG
from tests.testapp.models import Album, Member, Photo


@pytest.fixture
def define_photo() -> Iterator[Any]:
    """A function that defines a model with an ``alt_field``, on the table of ``Photo``."""
    with isolate_apps("tests.testapp", "django.contrib.contenttypes"):

        def define(alt_field: Any) -> Any:
            class Captioned(models.Model):
                album = models.ForeignKey(Album, models.CASCADE, related_name="+")
                picture = GroupMeImageField(alt_field=alt_field)
                caption = models.CharField(max_length=50)
                credit = gettext_lazy("Yes")
                nothing: Any = None

                class Meta:
                    app_label = "gallery"
                    managed = False
                    db_table = Photo._meta.db_table

                @property
                def description(self) -> str:
                    return f"A photo: {self.caption}"

                @cached_property
                def title(self) -> str:
                    return self.caption.upper()

                def shout(self) -> str:
                    return self.caption.upper()

            return Captioned

        yield define


@pytest.mark.parametrize(
    ("alt_field", "alt"),
    [
        (None, ""),
        ("caption", "A cat"),
        ("description", "A photo: A cat"),
        ("title", "A CAT"),
        ("credit", "Yes"),
        ("nothing", ""),
        ("missing", ""),
        ("shout", ""),
        ("album", ""),
        (5, ""),
    ],
)
def test_alt_is_string_of_attribute(define_photo: Any, alt_field: Any, alt: str) -> None:
    photo = define_photo(alt_field)(picture=JPEG, caption="A cat", album_id=1)
    assert photo.picture.alt == alt
    assert type(photo.picture.alt) is str


def test_alt_with_value_of_instance_is_that_value(define_photo: Any) -> None:
    photo = define_photo("caption")(picture=JPEG, caption=None)
    assert photo.picture.alt == ""
    photo.caption = SimpleLazyObject(lambda: "A lazy cat")
    assert photo.picture.alt == "A lazy cat"
    photo.caption = gettext_lazy("Yes")
    with override("de"):
        assert photo.picture.alt == "Ja"


def test_alt_without_image_or_instance_is_string(define_photo: Any) -> None:
    model = define_photo("caption")
    field = model._meta.get_field("picture")
    assert model(caption="A cat").picture.alt == "A cat"
    assert field.attr_class(None, field, JPEG).alt == ""
    assert Member(photo=JPEG, name="Ada").photo.alt == ""


def test_alt_of_property_that_raises_raises() -> None:
    with isolate_apps("tests.testapp"):

        class Failing(models.Model):
            photo = GroupMeImageField(alt_field="description")

            class Meta:
                app_label = "gallery"

            @property
            def description(self) -> str:
                raise ValueError("no description")

        with pytest.raises(ValueError, match="no description"):
            _ = Failing(photo=JPEG).photo.alt


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("alt_field", "loaded", "alt"),
    [
        ("caption", ["picture"], ""),
        ("caption", ["picture", "caption"], "A cat"),
        ("description", ["picture"], ""),
        ("description", ["picture", "caption"], ""),
        ("description", ["picture", "caption", "album"], "A photo: A cat"),
        ("album", ["picture"], ""),
        ("album", ["picture", "caption", "album"], ""),
    ],
)
def test_alt_of_row_with_deferred_fields_makes_no_query(
    define_photo: Any,
    django_assert_num_queries: Any,
    alt_field: str,
    loaded: list[str],
    alt: str,
) -> None:
    Photo.objects.create(album=Album.objects.create(), picture=JPEG, caption="A cat")
    photo = define_photo(alt_field)._base_manager.only(*loaded).get()
    with django_assert_num_queries(0):
        assert photo.picture.alt == alt


# Migrations


def test_deconstruct_contains_alt_field_only_if_set() -> None:
    assert GroupMeImageField().deconstruct()[3] == {}
    field = GroupMeImageField(alt_field="caption")
    assert field.deconstruct()[3] == {"alt_field": "caption"}
    assert field.clone().alt_field == "caption"
    assert 'alt_field="caption"' in MigrationWriter.serialize(field)[0].replace("'", '"')


def test_alter_field_that_adds_alt_field_changes_no_column() -> None:
    before = Member._meta.get_field("photo")
    after = before.clone()
    after.alt_field = "name"
    after.set_attributes_from_name("photo")
    after.model = Member
    editor = connection.schema_editor(collect_sql=True)
    editor.alter_field(Member, before, after)
    assert editor.collected_sql == []


# The check


def problems(model: Any) -> list[str]:
    messages = [message for message in model.check() if message.id == "groupme_images.E006"]
    assert all(message.hint and message.obj for message in messages)
    return [message.msg for message in messages]


@pytest.mark.parametrize(
    "alt_field", [None, "caption", "description", "title", "credit", "nothing", "pk"]
)
def test_check_of_alt_field_with_value_of_row_reports_nothing(
    define_photo: Any, alt_field: str
) -> None:
    assert problems(define_photo(alt_field)) == []


@pytest.mark.parametrize(
    ("alt_field", "message"),
    [
        ("captoin", "alt_field='captoin' does not name a field or property of gallery.Captioned."),
        ("", "alt_field='' does not name a field or property of gallery.Captioned."),
        (b"caption", "alt_field=b'caption' is not a string."),
        (str, "alt_field=<class 'str'> is not a string."),
        ("shout", "alt_field='shout' names a method of gallery.Captioned."),
        ("from_db", "alt_field='from_db' names a method of gallery.Captioned."),
        (
            "album",
            "alt_field='album' names a relation or manager of gallery.Captioned, which cannot be "
            "read without a query.",
        ),
        (
            "objects",
            "alt_field='objects' names a relation or manager of gallery.Captioned, which cannot be "
            "read without a query.",
        ),
    ],
)
def test_check_of_wrong_alt_field_is_an_error(
    define_photo: Any, alt_field: Any, message: str
) -> None:
    assert problems(define_photo(alt_field)) == [message]


@isolate_apps("tests.testapp", "django.contrib.contenttypes", "django.contrib.auth")
@pytest.mark.parametrize(
    "alt_field", ["tagged", "tagged_id", "tags", "others", "comment_set", "comment", "cover"]
)
def test_check_of_alt_field_that_is_a_relation_is_an_error(alt_field: str) -> None:
    class Comment(models.Model):
        content_type = models.ForeignKey(ContentType, models.CASCADE)
        object_id = models.PositiveIntegerField()
        post = models.ForeignKey("Post", models.CASCADE)

        class Meta:
            app_label = "gallery"

    class Post(models.Model):
        tagged = models.ForeignKey(Album, models.CASCADE, related_name="+")
        tags = GenericRelation(Comment)
        others = models.ManyToManyField("self")
        photo = GroupMeImageField(alt_field=alt_field)

        class Meta:
            app_label = "gallery"

    class Cover(models.Model):
        post = models.OneToOneField(Post, models.CASCADE)

        class Meta:
            app_label = "gallery"

    (message,) = problems(Post)
    assert "names a relation" in message
    assert Post(photo=JPEG).photo.alt == ""


@isolate_apps("tests.testapp", "django.contrib.contenttypes")
def test_check_of_alt_field_that_is_a_generic_foreign_key_is_an_error() -> None:
    class Attached(models.Model):
        photo = GroupMeImageField(alt_field="content_object")
        content_type = models.ForeignKey(ContentType, models.CASCADE)
        object_id = models.PositiveIntegerField()
        content_object = GenericForeignKey()

        class Meta:
            app_label = "gallery"

    assert len(problems(Attached)) == 1


@isolate_apps("tests.testapp")
def test_check_of_alt_field_in_abstract_model_checks_each_subclass() -> None:
    class Pictured(models.Model):
        photo = GroupMeImageField(alt_field="caption")

        class Meta:
            abstract = True
            app_label = "gallery"

    class Captioned(Pictured):
        caption = models.CharField(max_length=50)

        class Meta:
            app_label = "gallery"

    class Untitled(Pictured):
        class Meta:
            app_label = "gallery"

    class Child(Captioned):
        class Meta:
            app_label = "gallery"

    class Proxy(Untitled):
        class Meta:
            app_label = "gallery"
            proxy = True

    assert problems(Captioned) == problems(Child) == problems(Proxy) == []
    assert problems(Untitled) == [
        "alt_field='caption' does not name a field or property of gallery.Untitled."
    ]
    assert Child(photo=JPEG, caption="A cat").photo.alt == "A cat"


@isolate_apps("tests.testapp")
def test_check_of_alt_field_that_a_parent_declares_reports_nothing() -> None:
    class Parent(models.Model):
        caption = models.CharField(max_length=50)

        class Meta:
            app_label = "gallery"

    class Child(Parent):
        photo = GroupMeImageField(alt_field="caption")

        class Meta:
            app_label = "gallery"

    assert problems(Child) == []

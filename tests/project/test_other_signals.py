"""Test saves of other apps' models, and model signals that a project sends."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage
from django.db import models
from django.db.models.signals import post_delete, post_init, post_save, pre_save
from django.test import TestCase
from django.test.utils import isolate_apps
from django.utils.functional import SimpleLazyObject, empty

from django_groupme_images.tasks import upload_row
from tests.support import emulator_pictures as pictures
from tests.support.other_storages import BACKEND, Lazy, RaisingStorage, lazily_in_memory
from tests.testapp.models import Club, Group, Label, Local, Measured, Member, Plain


@pytest.fixture
def task_arguments(settings: Any, fallback: FileSystemStorage) -> Any:
    """Defer uploads, and return a function that lists the arguments of the enqueued tasks."""
    settings.GROUPME_DEFERRED = True
    backend = upload_row.get_backend().__module__.rpartition(".")[0]
    settings.TASKS = {"default": {"BACKEND": f"{backend}.dummy.DummyBackend"}}
    return lambda: [result.args for result in upload_row.get_backend().results]


@pytest.mark.django_db
@pytest.mark.parametrize("make_storage", [lambda: None, Lazy, lazily_in_memory, RaisingStorage])
def test_save_with_field_of_other_app_does_not_evaluate_its_storage(
    settings, task_arguments, define_model, make_storage, django_capture_on_commit_callbacks
):
    settings.STORAGES = settings.STORAGES | {
        "default": {"BACKEND": "tests.support.other_storages.forbidden_backend"}
    }
    row = define_model(models.ImageField(storage=make_storage()))(photo="cat.jpg")
    with django_capture_on_commit_callbacks() as callbacks:
        row.save()
        row.save(update_fields=["photo"])
    assert callbacks == []
    assert vars(row._meta.get_field("photo").storage).get("_wrapped", empty) is empty


@pytest.mark.django_db
def test_save_to_default_storage_on_groupme_defers_upload(
    settings, task_arguments, define_model, django_capture_on_commit_callbacks
):
    settings.STORAGES = settings.STORAGES | {
        "files": settings.STORAGES["default"],
        "default": {"BACKEND": BACKEND, "OPTIONS": {"fallback": "files"}},
    }
    row = define_model(models.ImageField())(photo=ContentFile(pictures.plain(), "cat.png"))
    with django_capture_on_commit_callbacks(execute=True):
        row.save()
    assert task_arguments() == [["gallery.Defined", str(row.pk), "default"]]


@pytest.mark.django_db
def test_save_of_model_without_file_fields_makes_no_query(django_assert_num_queries, monkeypatch):
    label = Label.objects.create()
    attributes: list[str] = []

    def record_attribute(self: Any, name: str) -> Any:
        attributes.append(name)
        return object.__getattribute__(self, name)

    monkeypatch.setattr(Label, "__getattribute__", record_attribute, raising=False)
    with django_assert_num_queries(0):
        post_save.send(sender=Label, instance=label, created=False, using="default", raw=False)
    assert [name for name in attributes if name not in ("__class__", "_meta")] == ["pk", "label_id"]


def test_model_signals_except_post_save_have_no_receiver_of_app():
    def receiver_modules(signal: Any) -> set[str]:
        references = [receiver[1] for receiver in signal.receivers]
        receivers = [reference() or reference for reference in references]
        return {getattr(receiver, "__module__", "") for receiver in receivers}

    package = "django_groupme_images."
    for signal in vars(models.signals).values():
        if isinstance(signal, models.signals.ModelSignal) and signal is not post_save:
            modules = {name for name in receiver_modules(signal) if name.startswith(package)}
            # Django's own ImageField connects update_dimension_fields() for its model.
            assert modules <= ({f"{package}fields"} if signal is post_init else set())


class NotAModel:
    pass


@pytest.mark.parametrize("signal", [pre_save, post_init, post_save, post_delete])
@pytest.mark.parametrize("sender", [NotAModel, User, Label, Local, Member])
@pytest.mark.parametrize("instance", [NotAModel(), None, 5])
def test_signal_with_any_sender_and_instance_is_ignored(signal, sender, instance):
    responses = signal.send(sender=sender, instance=instance)
    assert all(response is None for _, response in responses)
    if signal is not post_init:
        signal.send(sender=sender)


@pytest.mark.parametrize("signal", [pre_save, post_init, post_save, post_delete])
@pytest.mark.parametrize("model", [User, Label, Local, Member, Measured, Club, Plain])
def test_signal_without_optional_arguments_is_ignored(signal, model):
    for instance in (model(), model(pk=5)):
        for _, response in signal.send_robust(sender=model, instance=instance):
            assert response is None
    signal.send(sender=model, instance=SimpleLazyObject(model))


@pytest.mark.django_db
@pytest.mark.parametrize("database", [None, "default"])
def test_post_save_without_optional_arguments_defers_upload(task_arguments, database):
    member = Member.objects.create(photo="cat.jpg")
    member._state.db = database
    with TestCase.captureOnCommitCallbacks(execute=True):
        post_save.send(sender=Member, instance=member)
    assert task_arguments() == [["gallery.Member", str(member.pk), "default"]]


@pytest.mark.django_db(databases=["default", "other"])
def test_post_save_without_using_takes_database_of_instance(task_arguments):
    member = Member(pk=5, photo="cat.jpg")
    member._state.db = "other"
    with TestCase.captureOnCommitCallbacks(using="other", execute=True):
        post_save.send(sender=NotAModel, instance=member, update_fields=["photo"])
    assert task_arguments() == [["gallery.Member", "5", "other"]]


@pytest.mark.django_db
def test_post_save_of_parent_model_defers_upload_of_child(task_arguments):
    club = Club.objects.create(photo="cat.jpg")
    with TestCase.captureOnCommitCallbacks(execute=True):
        post_save.send(sender=Club.__base__, instance=club, created=True)
    assert task_arguments() == [["gallery.Group", str(club.pk), "default"]]


@pytest.mark.django_db
def test_post_save_of_proxy_model_defers_upload(task_arguments):
    with isolate_apps("tests.testapp"):
        proxy = type("Proxy", (Member,), {"Meta": Proxied, "__module__": "tests.testapp.models"})
    with TestCase.captureOnCommitCallbacks(execute=True):
        row = proxy.objects.create(photo="cat.jpg")
    assert task_arguments() == [["gallery.Member", str(row.pk), "default"]]


class Proxied:
    app_label = "gallery"
    proxy = True


@pytest.mark.django_db
@pytest.mark.parametrize("values", [{"photo": "cat.jpg"}, {"pk": 5, "photo": None}, {"pk": 5}])
def test_post_save_of_instance_without_saved_file_is_ignored(task_arguments, values):
    with TestCase.captureOnCommitCallbacks() as callbacks:
        post_save.send(sender=Member, instance=Member(**values))
        unsaved = Member(pk=5, photo=ContentFile(pictures.plain(), "cat.png"))
        post_save.send(sender=Member, instance=unsaved)
        post_save.send(sender=Member, instance=Member(pk=5, photo="cat.jpg"), raw=True)
    assert callbacks == []


@pytest.mark.django_db
def test_post_save_with_deferred_field_does_not_load_it(task_arguments, django_assert_num_queries):
    Member.objects.create(photo="cat.jpg")
    member = Member.objects.defer("photo").get()
    with django_assert_num_queries(0), TestCase.captureOnCommitCallbacks() as callbacks:
        post_save.send(sender=Member, instance=member)
    assert callbacks == []


@pytest.mark.django_db
def test_save_with_file_of_other_model_uploads_it_for_new_field(
    emulator, settings, fallback, django_capture_on_commit_callbacks
):
    settings.GROUPME_DEFERRED = True
    other = Group.objects.create(photo="dog.jpg", banner="cat.jpg")
    row = Plain(photo=other.banner)
    fallback.save("cat.jpg", ContentFile(pictures.plain()))
    with django_capture_on_commit_callbacks(execute=True):
        row.save()
    assert row.photo.url.startswith(emulator.cdn_url)

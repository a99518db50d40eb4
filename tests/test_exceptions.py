"""The exceptions: their classes, their pickles, and the errors that may be retried."""

from __future__ import annotations

import pickle
import re

import pytest

from django_groupme_images import exceptions
from django_groupme_images.exceptions import (
    FallbackFailed,
    FallbackNotConfigured,
    GroupMeImageError,
    InvalidPicture,
    PictureNotFound,
    RateLimited,
    ServiceError,
    ServiceUnavailable,
)

pytestmark = pytest.mark.any_django

CLASSES = [getattr(exceptions, name) for name in exceptions.__all__]


def test_exceptions_docstring_contains_class_tree():
    entries = re.findall(r"[├└]── (\w+)(?: \((\w+)\))?", exceptions.__doc__)
    assert {name for name, _ in entries} | {"GroupMeImageError"} == set(exceptions.__all__)
    for name, builtin in entries:
        parents = [base.__name__ for base in getattr(exceptions, name).__mro__]
        assert "GroupMeImageError" in parents
        assert not builtin or builtin in parents


@pytest.mark.parametrize("cls", CLASSES)
def test_pickled_exception_keeps_message_and_attributes(cls):
    values = {"status": 429} if issubclass(cls, ServiceError) else {}
    if cls is RateLimited:
        values["retry_after"] = 1.5
    error = cls("what happened", **values)
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is cls
    assert str(copy) == str(error) == "what happened"
    assert vars(copy) == vars(error) == values


def test_exceptions_inherit_from_matching_builtins():
    assert issubclass(InvalidPicture, ValueError)
    assert issubclass(PictureNotFound, FileNotFoundError)
    assert issubclass(FallbackFailed, OSError)
    assert issubclass(FallbackNotConfigured, InvalidPicture)
    assert issubclass(FallbackNotConfigured, FileNotFoundError)
    assert not issubclass(ServiceError, OSError)


def test_only_temporary_errors_are_retryable():
    retryable = {cls for cls in CLASSES if getattr(cls, "retryable", False)}
    assert retryable == {FallbackFailed, RateLimited, ServiceUnavailable}
    assert issubclass(RateLimited, GroupMeImageError)

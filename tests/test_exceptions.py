from __future__ import annotations

import pickle
import re

import pytest

from django_groupme_images import exceptions
from django_groupme_images.exceptions import (
    FallbackFailed,
    GroupMeImageError,
    InvalidPicture,
    PictureNotFound,
    RateLimited,
    ServiceError,
    ServiceUnavailable,
)

pytestmark = pytest.mark.any_django

CLASSES = [getattr(exceptions, name) for name in exceptions.__all__]


def test_the_docstring_draws_the_tree():
    drawn = re.findall(r"[├└]── (\w+)(?: \((\w+)\))?", exceptions.__doc__)
    assert {name for name, _ in drawn} | {"GroupMeImageError"} == set(exceptions.__all__)
    for name, builtin in drawn:
        parents = [base.__name__ for base in getattr(exceptions, name).__mro__]
        assert "GroupMeImageError" in parents
        assert not builtin or builtin in parents


@pytest.mark.parametrize("cls", CLASSES)
def test_each_pickles(cls):
    values = {"status": 429} if issubclass(cls, ServiceError) else {}
    if cls is RateLimited:
        values["retry_after"] = 1.5
    error = cls("what happened", **values)
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is cls
    assert str(copy) == str(error) == "what happened"
    assert vars(copy) == vars(error) == values


def test_the_built_ins_that_callers_catch_already():
    assert issubclass(InvalidPicture, ValueError)
    assert issubclass(PictureNotFound, FileNotFoundError)
    assert issubclass(FallbackFailed, OSError)
    assert not issubclass(ServiceError, OSError)


def test_what_may_pass():
    retryable = {cls for cls in CLASSES if getattr(cls, "retryable", False)}
    assert retryable == {FallbackFailed, RateLimited, ServiceUnavailable}
    assert issubclass(RateLimited, GroupMeImageError)

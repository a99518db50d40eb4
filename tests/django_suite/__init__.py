"""
Django's own tests of ``ImageField``, run with ``GroupMeImageField``: ``make django-suite``.

They run in four states of the field: the service is up; it is down, and files are saved in a
fallback storage; uploads are deferred; and the field has another storage. In each state, they run
twice, because they define a class of field values: its base is either ``ImageFieldFile`` or
``GroupMeImageFieldFile``.
"""

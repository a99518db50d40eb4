"""
Test a project with an image service that runs in the same process, without sockets.

With pytest, use the fixture ``groupme_service``. With Django's test cases, use a mixin::

    class MemberTests(InProcessServiceMixin, TestCase):
        def test_photo(self):
            member = Member.objects.create(name="Ada", photo=image_file("ada.png"))
            [upload] = self.groupme_service.uploads
            self.assertEqual(member.photo.picture, upload.picture)
"""

from .service import InProcessService, InProcessServiceMixin, Upload, image_file

__all__ = ["InProcessService", "InProcessServiceMixin", "Upload", "image_file"]

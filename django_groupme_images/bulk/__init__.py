"""
Process the images of many rows. Used by the management commands, the tasks, and the admin.

Each module imports only modules that come before it in this list:

- ``conditions``: conditions for queries by the kind of a stored name.
- ``columns``: file fields that use ``GroupMeStorage``, and queries for the names in them.
- ``references``: which files a row or a default references.
- ``source_files``: versions of source files, and their deletion.
- ``upload_log``: the report as a log of earlier uploads and failures.
- ``runner``: worker threads and the rate limit.
- ``request_runner``: work in the thread of a request, within its time limit.
- ``name_index``: an index of names and their rows, on disk.
- ``batches``: names with the rows that contain them.
- ``results``: outcomes, and how they are counted and reported.
- ``mirror``: copies of images in another storage.
- ``inspection``: checks of files that are to be uploaded, without a request.
- ``upload``, ``restore``, ``check``, ``cleanup``: the work of the commands.
- ``selection``: pending files of the rows that a user has selected.
"""

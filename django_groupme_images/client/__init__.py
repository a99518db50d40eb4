"""
Client of GroupMe's image service that works without Django.

For example, in a script or a bot::

    client = GroupMeClient(access_token)
    with open("cat.jpg", "rb") as file:
        picture = client.upload(file)
"""

from .client import Download, GroupMeClient

__all__ = ["Download", "GroupMeClient"]

"""Bookmarks: proposed with a directory, edited by operators, shown on the home page."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Q

from directories.connectors import CONNECTORS
from directories.models import Directory
from portal.models import Bookmark


def propose(directory: Directory) -> None:
    """Make the bookmarks that its kind proposes; operators change or delete them as they like."""
    Bookmark.objects.bulk_create(
        Bookmark(
            directory=directory,
            label=proposed.label,
            address=proposed.address,
            description=proposed.description,
            icon=proposed.icon,
            position=position,
        )
        for position, proposed in enumerate(CONNECTORS[directory.kind].bookmarks)
    )


def by_directory(directory_ids: Iterable[int]) -> dict[int | None, list[Bookmark]]:
    """Get the bookmarks of directories, and under None those for everybody; one query."""
    found: dict[int | None, list[Bookmark]] = {}
    for bookmark in Bookmark.objects.filter(
        Q(directory=None) | Q(directory__in=list(directory_ids))
    ):
        found.setdefault(bookmark.directory_id, []).append(bookmark)
    return found

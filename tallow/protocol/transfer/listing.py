"""The list of an offer on its way in: pages in order, and nothing but what was announced.

Before: receiver.py. It never shows anything. Spec: docs/protocol.md §8.1.
"""

from __future__ import annotations

from tallow.errors import RemoteProtocolError
from tallow.protocol.manifest import Manifest, PageStore
from tallow.protocol.messages import Offer, OfferEnd, Page


class Listing:
    """One announced offer and the pages that came of it."""

    def __init__(self, offer: Offer, store: PageStore | None = None) -> None:
        """Await what was announced; its pages are kept in ``store``."""
        self.offer = offer
        self.manifest = Manifest(store)

    def add(self, page: Page) -> None:
        """Take the next page, or raise RemoteProtocolError."""
        offer, pages = self.offer, len(self.manifest.pages)
        if page.offer != offer.offer or page.index != pages or pages >= offer.pages:
            raise RemoteProtocolError("The other side sent the list of files out of order.")
        self.manifest.add_page(page.page)
        if self.manifest.entries > offer.entries:
            raise RemoteProtocolError("The other side lists more files than it announced.")

    def close(self, end: OfferEnd) -> None:
        """Check the whole list against its announcement, or raise RemoteProtocolError."""
        offer, manifest = self.offer, self.manifest
        counted = (len(manifest.pages), manifest.entries, manifest.total_bytes)
        announced = (offer.pages, offer.entries, offer.total_bytes)
        # The root is public to both sides; comparing it needs no constant time.
        if end.offer != offer.offer or counted != announced or end.manifest_root != manifest.root():
            raise RemoteProtocolError("The list of files is not the one that was announced.")
        if offer.hole_bytes > manifest.total_bytes:
            raise RemoteProtocolError("The other side announced more holes than bytes.")
        manifest.hole_bytes = offer.hole_bytes
        streams = manifest.streams
        if streams != (offer.kind == "stream") or (streams and manifest.entries != 1):
            raise RemoteProtocolError("The other side mixes a stream with files.")
        sync = offer.sync
        if sync is not None and (streams or not offer.delta or (sync.delete and not sync.whole)):
            raise RemoteProtocolError("The other side offers to sync what cannot be synced.")

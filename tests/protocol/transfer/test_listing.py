"""Lists against their announcement; what a lying sender tries is in test_receiver_list.py."""

from __future__ import annotations

import pytest

from tallow.errors import RemoteProtocolError
from tallow.protocol.messages import Offer, OfferEnd, Page
from tallow.protocol.transfer.listing import Listing
from tallow.wire import limits
from tests.protocol.transfer.test_receiver import MANIFEST, OFFER, PAGE, PROOFS, ROOT


def test_a_true_list_closes() -> None:
    """C4: pages in order, then the root over them."""
    listing = Listing(OFFER)
    listing.add(PAGE)
    listing.close(OfferEnd(1, ROOT))
    assert list(listing.manifest) == list(MANIFEST)


def test_as_many_entries_as_can_be_announced_cost_nothing() -> None:
    """X10: what is announced costs nothing, and more than announced is refused at its page."""
    most = Offer(1, "files", limits.MANIFEST_ENTRIES_MAX, 1 << 16, 0, PROOFS)
    assert Listing(most).manifest.entries == 0
    listing = Listing(Offer(1, "files", 1, 1, MANIFEST.total_bytes, PROOFS))
    with pytest.raises(RemoteProtocolError):
        listing.add(Page(1, 0, MANIFEST.pages[0]))

"""The relay server: rooms in which two links meet, and bytes that it cannot read.

``hub`` decides (pure), ``quota`` says who asked too often (pure), ``link`` frames bytes, ``switch``
joins the three, ``server`` owns sockets, clock and signals. Of Tallow it imports ``tallow.wire``
alone. It never holds a key of a session, a word of a code or a file name.
Spec: docs/protocol.md §4.
"""

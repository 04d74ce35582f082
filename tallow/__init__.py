"""Tallow: files, text and pipes between people, end to end encrypted.

This package imports nothing, so that the relay can use ``tallow.wire`` alone and
``tallow --version`` stays instant.
"""

__version__ = "0.1.0"

"""Tests of the transport: real TLS on the loopback, pins, streams of link frames."""

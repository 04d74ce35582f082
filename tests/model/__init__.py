"""Every state that the handshake machines can reach within a few hostile steps."""

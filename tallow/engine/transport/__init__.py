"""The only sockets of a client: dialling, TLS, pins, and streams of link frames."""

"""What travels: limits, codec, frames, relay messages and the password proof."""

"""Every decoder under mutated bytes."""

"""The house rules as code: what they read, what they check, and every exception with its reason."""

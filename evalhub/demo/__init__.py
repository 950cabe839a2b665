"""The demo project: made through the same actions that a user's clicks call. Stands outside the rooms."""

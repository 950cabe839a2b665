"""Other products that ours is measured beside; each is installed into an environment of its own, never into ours."""

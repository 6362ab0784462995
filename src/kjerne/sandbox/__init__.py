"""What only the sandbox has: an OpenID provider, personas and a synthetic population. Never imported by `kjerne serve`."""

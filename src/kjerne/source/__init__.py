"""A document source: registry and repository of IHE XDS.b and an XCA responding gateway, a process of its own (decision 79)."""

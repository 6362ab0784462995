"""Documents that lie with many sources: one list of them, and each opened where it lies, under the law of this service."""

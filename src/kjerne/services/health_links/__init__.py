"""SMART Health Links: a copy of her summary that a citizen hands to whoever she shows a link and tells a passcode."""

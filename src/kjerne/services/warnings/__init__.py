"""Warnings: a patient's critical information held against her medicines and a proposed prescription (CDS Hooks)."""

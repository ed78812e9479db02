"""Guidance strategies, one file each. Formulas: MaskGST (thesis, section 8.3.4)."""

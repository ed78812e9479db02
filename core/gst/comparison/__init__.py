"""Numbers of several runs side by side, and the field's published ones beside them in a block of their own."""

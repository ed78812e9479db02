"""Studies: rows of runs, tables of rows, and what is claimed of them. `gst.study` and `gst study`."""

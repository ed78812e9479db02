"""A comparison as text, Markdown, CSV, LaTeX and HTML."""

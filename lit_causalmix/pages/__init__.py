"""Self-contained pages: what they say as plain data, drawing, and HTML, Markdown or plain text."""

"""Self-contained HTML pages: elements, drawing, and the folder of files beside a page."""

"""The demo, and what end-to-end tests share with it: the installation and a web server."""

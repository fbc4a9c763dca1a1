"""What the demo and the end-to-end tests play on: the product installed, and a web server."""

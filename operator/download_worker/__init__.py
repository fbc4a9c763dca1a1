"""What runs in each attempt: fetch one URL, save the file, report what happened."""

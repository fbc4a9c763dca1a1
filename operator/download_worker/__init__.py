"""What runs in each attempt: fetch one URL, keep the result, say what happened."""

"""A sweep in a bucket: every process works in a copy on its own disk, and what it writes goes there."""

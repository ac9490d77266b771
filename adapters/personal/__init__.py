"""Natural persons' details: sealed under keys in files, shown to who may see them, and erased."""

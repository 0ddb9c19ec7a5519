"""Reading recordings, a module for each format; nothing here chooses among files."""

"""Writing a store: its build folder, whole chunks and journal, tables, and the rename that makes it one."""

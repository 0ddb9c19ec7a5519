"""A system that is neither Linux nor macOS, acted on Linux: for a process that has this folder's `site` on its path.

It shows what the program asks for that Windows has not, or forbids. It is no Windows: file names differ in case here,
`/` separates folders, and other libraries take their ways for Linux.
"""

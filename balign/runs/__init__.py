"""One whole run: its configuration, its folder on disk, the events it yields, the page that sums it up.

Importing this package, `config` or `folder` needs no torch; `execute` does.
"""

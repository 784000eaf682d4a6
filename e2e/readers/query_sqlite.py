"""Asks a SQLite file, with Python's own SQLite.

    query_sqlite.py FILE STATEMENT

Prints the rows, tab-separated. CRC32() and CONCAT() are those of MariaDB, so that one statement serves both.
"""
import sqlite3, sys, zlib


def text(value):
    if isinstance(value, bytes):  # as MariaDB's client prints them
        return value.decode(errors="replace")
    return "NULL" if value is None else str(value)


path, statement = sys.argv[1:]
connection = sqlite3.connect(f"file:{path}?mode=rw", uri=True, timeout=30)
connection.create_function("CRC32", 1, lambda text: zlib.crc32(text.encode()), deterministic=True)
connection.create_function("CONCAT", -1, lambda *parts: "".join(map(str, parts)), deterministic=True)
for row in connection.execute(statement):
    print("\t".join(text(value) for value in row))
connection.commit()

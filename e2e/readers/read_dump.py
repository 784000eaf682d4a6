"""Reads dump files the plain way: the measure that what landed is held against.

    read_dump.py FILE.gz...

Prints rows, views, and the sum of CRC-32 of each row, which does not depend on their order, as JSON.
"""
import gzip, json, re, sys, zlib

rows = views = crc = 0
for path in sys.argv[1:]:
    for line in gzip.open(path, "rt", encoding="utf-8", newline="\n"):
        domain, rest = line.rstrip("\n").split(" ", 1)
        title, count, _ = rest.rsplit(" ", 2)
        if len(title) > 1 and title[0] == title[-1] == '"':  # Spark's quoting
            title = re.sub(r"\\(.)", r"\1", title[1:-1])
        domain = "" if domain == '""' else domain  # how Spark writes nothing
        rows += 1
        views += int(count)
        crc += zlib.crc32(f"{domain}\t{title}\t{count}".encode())
print(json.dumps({"rows": rows, "views": views, "crc": crc}))

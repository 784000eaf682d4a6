"""Reads dump files the plain way: the measure that what landed is held against.

    read_dump.py FILE...

The files' names tell their formats. Prints rows, views (or transfers), and the sum of CRC-32 of each row, which does not
depend on their order, as JSON. A row is what tells it from others, its title or path and its number, with tabs between:
what a database is asked for, too (`row` in `harness/format.rs`).
"""
import bz2, codecs, datetime, gzip, json, os, re, sys, zlib
from urllib.parse import unquote_to_bytes

codecs.register_error("escape", lambda error: (
    "".join(f"%{byte:02X}" for byte in error.object[error.start:error.end]), error.end))


def unquote(field):
    if len(field) > 1 and field[0] == field[-1] == '"':  # Spark's quoting
        return re.sub(r"\\(.)", r"\1", field[1:-1])
    return field


def pageviews(line, _):
    domain, rest = line.decode().split(" ", 1)
    title, count, _ = rest.rsplit(" ", 2)
    domain = "" if domain == '""' else domain  # how Spark writes nothing
    yield domain, unquote(title), int(count)


def pagecounts(line, _):
    domain, rest = line.split(b" ", 1)
    title, count, size = rest.rsplit(b" ", 2)
    if domain.endswith(b".mw"):  # sums of other lines
        return
    raw = unquote_to_bytes(title).replace(b" ", b"_")
    title = raw.decode(errors="escape")
    is_broken = int(raw.decode(errors="replace") != raw.decode(errors="ignore"))
    yield f"{domain.decode()} {int(size)} {is_broken}", title, int(count)


def pageview_complete(line, path):
    wiki, rest = line.decode().split(" ", 1)
    rest, access, _, series = rest.rsplit(" ", 3)
    title, page_id = rest.rsplit(" ", 1)
    page_id = "-" if page_id == "null" else page_id
    day = datetime.datetime.strptime(os.path.basename(path).split("-")[1], "%Y%m%d")
    wiki = "unknown" if wiki == '""' else wiki
    for letter, count in re.findall(r"([A-X])(\d+)", series):
        ts = day + datetime.timedelta(hours=ord(letter) - ord("A"))
        yield f"{wiki} {access} {page_id} {ts}", unquote(title), int(count)


def mediacounts(line, _):
    name, *columns = line.decode().rsplit("\t", 24)
    columns = [None, None, *columns]  # the second column has the number 2
    numbers = [0 if columns[n] == '""' else int(columns[n]) for n in
               (2, 3, 4, 5, 8, 9, 10, 11, 12, 13, 14, 17, 18, 19, 20, 23, 24, 25)]
    yield " ".join(map(str, numbers)), unquote(name), numbers[1]


def reader(path):
    name = os.path.basename(path)
    if name.startswith("mediacounts."):
        return bz2.open, mediacounts
    if name.endswith(".bz2"):
        return bz2.open, pageview_complete
    return gzip.open, pagecounts if name.startswith("pagecounts-") else pageviews


rows = views = crc = 0
for path in sys.argv[1:]:
    opened, parse = reader(path)
    for line in opened(path).read().split(b"\n")[:-1]:
        for key, title, count in parse(line, path):
            rows += 1
            views += count
            crc += zlib.crc32(f"{key}\t{title}\t{count}".encode())
print(json.dumps({"rows": rows, "views": views, "crc": crc}))

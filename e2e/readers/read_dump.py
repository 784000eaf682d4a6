"""Reads dump files the plain way: the measure that what landed is held against.

    read_dump.py FILE...

The files' names tell their formats. Prints rows, views (or transfers), and the sum of CRC-32 of each row, which does not
depend on their order, as JSON. A row is what tells it from others, its title or path and its number, with tabs between:
what a database is asked for, too (`row` in `harness/format.rs`).
"""
import bz2, codecs, datetime, gzip, json, os, re, sys, zlib
from urllib.parse import unquote_to_bytes

FAMILIES = (
    "wikipedia", "wikibooks", "wiktionary", "wikinews", "wikiquote", "wikisource", "wikiversity", "wikivoyage", "wikimedia")
# Those with files of their own that are no Wikipedia, though their files lie with those of Wikipedias.
WIKIMEDIA = (
    "advisory", "commons", "cn", "dk", "fdc", "foundation", "gr", "il", "in-tech", "incubator", "meta", "mx", "nyc", "nz",
    "outreach", "quality", "rs", "species", "strategy", "ua", "usability", "wikitech")

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


def requested(title):
    """A title as it was asked for: its bytes, and what is read of them."""
    raw = unquote_to_bytes(title).replace(b" ", b"_")
    return raw, raw.decode(errors="escape")


def pagecounts(line, _):
    domain, rest = line.split(b" ", 1)
    title, count, size = rest.rsplit(b" ", 2)
    if domain.endswith(b".mw"):  # sums of other lines
        return
    raw, title = requested(title)
    is_broken = int(raw.decode(errors="replace") != raw.decode(errors="ignore"))
    yield f"{domain.decode()} {int(size)} {is_broken}", title, int(count)


def pageview_complete(line, path):
    _, day, agent = os.path.basename(path).removesuffix(".bz2").split("-")
    day = datetime.datetime.strptime(day, "%Y%m%d")
    wiki, rest = line.decode().split(" ", 1)
    title, access, _, series = rest.rsplit(" ", 3)
    page_id = "-"
    if re.search(r" (null|[0-9]{1,12})$", title):  # pages without an id had no such column until November 2020
        title, page_id = title.rsplit(" ", 1)
        page_id = "-" if page_id == "null" else page_id
    title = unquote(title)
    if day < datetime.datetime(2015, 5, 1):  # before page views were defined
        _, title = requested(title.encode())
    wiki = "unknown" if wiki == '""' else wiki
    for letter, count in re.findall(r"([A-X])(\d+)", series):
        ts = day + datetime.timedelta(hours=ord(letter) - ord("A"))
        yield f"{agent} {wiki} {access} {page_id} {ts}", title, int(count)


def media_project(path):
    found = re.match(r"/([a-z]+)/([A-Za-z0-9_-]{1,64})/", path)
    family, wiki = found.groups() if found else ("", "")
    if family not in FAMILIES:
        return ""
    if wiki in ("mediawiki", "wikidata", "wikifunctions"):
        return wiki
    is_wikimedia = wiki in WIKIMEDIA or wiki.startswith("wikimania")
    return f"{wiki}.{'wikimedia' if family == 'wikipedia' and is_wikimedia else family}"


def mediacounts(line, _):
    name, *columns = line.decode().rsplit("\t", 24)
    columns = [None, None, *columns]  # the second column has the number 2
    numbers = [0 if columns[n] == '""' else int(columns[n]) for n in
               (2, 3, 4, 5, 8, 9, 10, 11, 12, 13, 14, 17, 18, 19, 20, 23, 24, 25)]
    name = unquote(name)
    _, file = requested(name.rsplit("/", 1)[-1].encode())
    yield " ".join(map(str, (*numbers, media_project(name), file))), name, numbers[1]


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

"""Parses a dump file with DuckDB's own CSV reader, and says what is in it.

    dump_duckdb.py ARCHIVE FILE

ARCHIVE is pageviews, pagecounts, pageview-complete or mediacounts. Prints as JSON the number of rows, the sum of each
number, and a hash that does not depend on their order: the sum, modulo 2^63, of the first 15 hexadecimal digits of
the MD5 of each row's columns, joined by tabs. The columns are those that the dump has, decoded.
"""
import bz2, gzip, json, shutil, sys, tempfile

import duckdb

NUMBERS = (
    "response_bytes transfers original transcoded_audio - - transcoded_image image_0_199 image_200_399 image_400_599 "
    "image_600_799 image_800_999 image_1000 - - transcoded_movie movie_0_239 movie_240_479 movie_480 - - "
    "referer_internal referer_external referer_unknown").split()


def csv(path, separator, columns, quoted=True):
    columns = ", ".join(f"'{name}': '{kind}'" for name, kind in columns.items())
    quotes = r"""quote = '"', escape = '\'""" if quoted else "quote = '', escape = ''"
    return (f"read_csv('{path}', delim = '{separator}', {quotes}, columns = {{{columns}}}, header = false, "
            f"auto_detect = false, new_line = '\\n', max_line_size = 1000000)")


def pageviews(path):
    columns = {"domain_code": "VARCHAR", "title": "VARCHAR", "views": "BIGINT", "zero": "BIGINT"}
    return f"SELECT coalesce(domain_code, '') AS domain_code, title, views FROM {csv(path, ' ', columns)}", ["views"]


# A character of UTF-8, or else a byte, each byte as two digits behind a space.
AFTER = " [89AB]."
CHARACTER = "|".join((
    " [0-7].", f" (?:C[2-9A-F]|D.){AFTER}", f" E0 [AB].{AFTER}", f" (?:E[1-9A-CEF]){AFTER * 2}", f" ED [89].{AFTER}",
    f" F0 [9AB].{AFTER * 2}", f" F[123]{AFTER * 3}", f" F4 8.{AFTER * 2}", " ..",
))


def pagecounts(path):
    # DuckDB has no text that is not UTF-8, but it makes bytes of a text in which they are spelled \xHH, see below.
    columns = {"domain_code": "VARCHAR", "asked": "VARCHAR", "views": "BIGINT", "bytes": "BIGINT"}
    hexadecimal = r"regexp_replace(hex(raw), '(..)', ' \1', 'g')"
    return rf"""
        WITH decoded AS (
            SELECT *, regexp_replace(asked, '%([0-9A-Fa-f]{{2}})', '\\x\1', 'g')::BLOB AS raw
            FROM {csv(path, " ", columns, False)} WHERE NOT ends_with(domain_code, '.mw')
        ), texts AS (SELECT *, TRY(decode(raw)) AS text FROM decoded), titles AS (
            SELECT *, CASE WHEN text IS NOT NULL THEN text ELSE array_to_string(list_transform(
                regexp_extract_all({hexadecimal}, '{CHARACTER}'), lambda c:
                CASE WHEN length(c) > 3 OR c < ' 8' THEN decode(unhex(replace(c, ' ', ''))) ELSE '%' || c[2:] END
            ), '') END AS title FROM texts
        ) SELECT domain_code, replace(title, ' ', '_') AS title, views, bytes, (text IS NULL)::INT AS is_broken
        FROM titles""", ["views", "bytes", "is_broken"]


def pageview_complete(path):
    columns = {name: "VARCHAR" for name in ("project", "title", "page_id", "access")}
    columns |= {"total": "BIGINT", "series": "VARCHAR"}
    return rf"""
        WITH hours AS (
            SELECT *, unnest(regexp_extract_all(series, '([A-X])(\d+)', 1)) AS letter,
                unnest(regexp_extract_all(series, '([A-X])(\d+)', 2))::BIGINT AS views
            FROM {csv(path, " ", columns)}
        ) SELECT project, title, page_id, access, ascii(letter) - 65 AS hour, views FROM hours""", ["views"]


def mediacounts(path):
    names = [name if name != "-" else f"reserved_{at}" for at, name in enumerate(NUMBERS)]
    kinds = {name: "VARCHAR" if name.startswith("reserved") else "BIGINT" for name in names}
    numbers = [name for name in NUMBERS if name != "-"]
    table = csv(path, "\t", {"base_name": "VARCHAR", **kinds})
    return f"SELECT base_name, {', '.join(numbers)} FROM {table}", numbers


archive, path = sys.argv[1:]
with tempfile.NamedTemporaryFile() as unpacked:
    if path.endswith(".bz2"):  # which DuckDB does not read
        with bz2.open(path) as packed:
            shutil.copyfileobj(packed, unpacked)
    elif archive == "pagecounts":
        for line in gzip.open(path):
            unpacked.write(line.replace(b"\\", rb"\x5C").decode("ascii", "backslashreplace").encode())
    unpacked.flush()
    path = unpacked.name if unpacked.tell() else path
    query, numbers = globals()[archive.replace("-", "_")](path)
    rows = duckdb.sql(query)
    text = f"concat_ws(chr(9), {', '.join(rows.columns)})"
    sums = ", ".join(f"sum({name}::HUGEINT)" for name in numbers)
    count, hashed, *sums = duckdb.sql(
        f"SELECT count(*), sum(('0x' || md5({text})[1:15])::BIGINT::HUGEINT), {sums} FROM rows").fetchall()[0]
    print(json.dumps({"rows": count, "sums": dict(zip(numbers, map(int, sums))), "hash": str(hashed % 2**63)}))

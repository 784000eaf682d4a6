"""Parses a dump file with Spark, whose CSV writer is the one that wrote those of the real host since 2023.

    dump_spark.py ARCHIVE FILE

As dump_duckdb.py, whose text says what is printed; nothing is shared with it.
"""
import json, os, re, sys

os.environ["PYSPARK_PYTHON"] = sys.executable

from pyspark.sql import SparkSession, functions as F
from pyspark.sql.types import StructType

session = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
session = session.config("spark.driver.bindAddress", "127.0.0.1").config("spark.driver.host", "127.0.0.1")
session = session.config("spark.driver.memory", "1g").getOrCreate()
session.sparkContext.setLogLevel("ERROR")


def csv(path, schema, **options):
    options = {"sep": " ", "quote": '"', "escape": "\\", "lineSep": "\n", "mode": "FAILFAST", **options}
    return session.read.csv(path, schema=StructType.fromDDL(schema), emptyValue="", nullValue="\0", **options)


def pageviews(path):
    rows = csv(path, "domain_code string, title string, views bigint, zero bigint")
    return rows.select("domain_code", "title", "views"), ["views"]


def decoded(asked):
    raw = re.sub(rb"%([0-9A-Fa-f]{2})", lambda found: bytes.fromhex(found[1].decode()), asked.encode("latin-1"))
    text = raw.decode(errors="surrogateescape")
    return re.sub("[\udc80-\udcff]", lambda found: "%%%02X" % (ord(found[0]) & 0xFF), text).replace(" ", "_")


def is_broken(asked):
    raw = re.sub(rb"%([0-9A-Fa-f]{2})", lambda found: bytes.fromhex(found[1].decode()), asked.encode("latin-1"))
    return int(raw.decode(errors="replace").encode() != raw)


def pagecounts(path):
    schema = "domain_code string, asked string, views bigint, bytes bigint"
    rows = csv(path, schema, quote="", escape="", encoding="ISO-8859-1").where("domain_code not like '%.mw'")
    title, broken = F.udf(decoded, "string")("asked"), F.udf(is_broken, "bigint")("asked")
    numbers = ["views", "bytes", "is_broken"]
    return rows.select("domain_code", title.alias("title"), "views", "bytes", broken.alias("is_broken")), numbers


def pageview_complete(path):
    rows = csv(path, "project string, title string, page_id string, access string, total bigint, series string")
    hours = F.expr(r"explode(regexp_extract_all(series, '([A-X][0-9]+)', 1))").alias("hour")
    rows = rows.select("project", "title", "page_id", "access", hours)
    hour, views = F.expr("ascii(hour) - 65").alias("hour"), F.expr("cast(substring(hour, 2) as bigint)").alias("views")
    return rows.select("project", "title", "page_id", "access", hour, views), ["views"]


def mediacounts(path):
    numbers = (
        "response_bytes transfers original transcoded_audio - - transcoded_image image_0_199 image_200_399 "
        "image_400_599 image_600_799 image_800_999 image_1000 - - transcoded_movie movie_0_239 movie_240_479 movie_480 "
        "- - referer_internal referer_external referer_unknown").split()
    schema = [f"reserved_{at} string" if name == "-" else f"{name} bigint" for at, name in enumerate(numbers)]
    numbers = [name for name in numbers if name != "-"]
    rows = csv(path, ", ".join(["base_name string", *schema]), sep="\t")
    return rows.select("base_name", *numbers), numbers


archive, path = sys.argv[1:]
rows, numbers = globals()[archive.replace("-", "_")](path)
text = F.concat_ws("\t", *(F.col(name).cast("string") for name in rows.columns))
digits = F.conv(F.substring(F.md5(text), 1, 15), 16, 10).cast("decimal(20, 0)")
sums = [F.sum(F.col(name).cast("decimal(20, 0)")) for name in numbers]
count, hashed, *sums = rows.agg(F.count("*"), F.sum(digits), *sums).first()
print(json.dumps({"rows": count, "sums": dict(zip(numbers, map(int, sums))), "hash": str(int(hashed) % 2**63)}))

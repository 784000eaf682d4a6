"""Does in a Trino what someone would do in Athena.

    ask_trino.py parse          reads statements as `wikiingest athena-ddl` prints them
    ask_trino.py run PORT       runs them
    ask_trino.py ask PORT       asks queries

All read statements from standard input, each ended by a NUL. Views and queries are run as they are. Trino has no
CREATE EXTERNAL TABLE: it is told of columns, partitions, place and properties in its own words, all of them taken from the
statement. `parse` and `run` print how many statements there were, `ask` for each query its rows, as MariaDB's client would
print their cells, and what Trino's own statistics say that it read, as JSON.
"""
import datetime, json, sys

import sqlglot, trino
from sqlglot import exp


def connect(port):
    return trino.dbapi.connect(
        host="127.0.0.1", port=int(port), user="e2e", catalog="lake", timezone="UTC")


def literal(text):
    return "'" + text.replace("'", "''") + "'"


def kind(column):
    name = column.kind.sql("athena").lower()
    return {"string": "varchar"}.get(name, name)


def columns(definitions):
    return [(column.name, kind(column)) for column in definitions]


def create_table(statement):
    """Trino's words for CREATE EXTERNAL TABLE."""
    properties = {}
    for found in statement.args["properties"].expressions:
        match found:
            case exp.ExternalProperty():
                properties["external"] = True
            case exp.PartitionedByProperty():
                properties["partitions"] = columns(found.this.expressions)
            case exp.FileFormatProperty():
                properties["format"] = found.name
            case exp.LocationProperty():
                properties["location"] = found.name
            case exp.Property():
                properties.setdefault("more", {})[found.name] = found.args["value"].name
            case _:
                raise SystemExit(f"{found!r} is not among what Trino is told of a table")
    assert properties.pop("external"), statement.sql()
    names = ", ".join(f'"{name}" {kind}' for name, kind in columns(statement.this.expressions) + properties["partitions"])
    partitions = ", ".join(literal(name) for name, _ in properties["partitions"])
    keys, values = (", ".join(map(literal, side)) for side in zip(*properties["more"].items()))
    table = statement.this.this
    return (
        f'CREATE TABLE "{table.db}"."{table.name}" ({names}) WITH (format = {literal(properties["format"])}, '
        f"external_location = {literal(properties['location'])}, partitioned_by = ARRAY[{partitions}], "
        f"extra_properties = MAP(ARRAY[{keys}], ARRAY[{values}]))")


def translated(text):
    statement = sqlglot.parse_one(text, read="athena")
    match statement:
        case exp.Create(kind="DATABASE" | "SCHEMA"):
            return f'CREATE SCHEMA "{statement.this.name or statement.this.db}"'
        case exp.Create(kind="TABLE"):
            return create_table(statement)
        case exp.Create(kind="VIEW"):
            return text
    raise SystemExit(f"not a database, table or view: {text}")


def cell(value):
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, datetime.datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S.%f")
    return str(value).replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t").replace("\0", "\\0")


def answer(cursor, query):
    rows = cursor.execute(query).fetchall()
    stats = cursor.stats
    return {
        "rows": [[cell(value) for value in row] for row in rows],
        "read_rows": stats["processedRows"],
        "read_bytes": stats["physicalInputBytes"],
        "splits": stats["totalSplits"],
        "milliseconds": stats["elapsedTimeMillis"],
    }


statements = [statement for statement in sys.stdin.read().split("\0") if statement.strip()]
match sys.argv[1:]:
    case ["parse"]:
        print(len([translated(statement) for statement in statements]))
    case ["run", port]:
        cursor = connect(port).cursor()
        for statement in statements:
            cursor.execute(translated(statement)).fetchall()
        print(len(statements))
    case ["ask", port]:
        cursor = connect(port).cursor()
        print(json.dumps([answer(cursor, query) for query in statements]))
    case other:
        raise SystemExit(f"{other}: see the top of this file")

"""Runs every query of the dashboards as Grafana would, and computes each panel a second time from the lake.

    panels.py --lake FOLDER --host 127.0.0.1 --port 3306 --user root --database wikimedia [DASHBOARD.json ...]

The password is in PANELS_PASSWORD. FOLDER is a lake that was loaded with the same data as the database; panels/sample.py
makes both. Without dashboards, those of the chart that ask a MySQL data source are taken.

Variables are put into a query as Grafana's pages do it, and macros as its MySQL data source does. Each target, annotation
and query variable is run for several ranges and several values of each variable, All and one with a quote among them. The
second computation is in panels/<dashboard>.py, in DuckDB over the Parquet files; for the tables that a lake has not (ledger,
checkpoints), in Python over all of their rows. Ends with 1 and the first row that differs, for each panel that is wrong, and
if a panel has no second computation, was never anything but empty, or names no column `time` though it is a time series.
"""
import argparse, datetime, decimal, glob, importlib.util, json, math, os, re, sys, time, warnings

import duckdb, pymysql

HERE = os.path.dirname(os.path.abspath(__file__))
CHART = os.path.join(HERE, "../../charts/wikiingest/dashboards")
ALL = "$__all"
# What Grafana's pages look for, and what its data source does.
VARIABLE = re.compile(r"\$(\w+)|\[\[(\w+?)(?::(\w+))?\]\]|\$\{(\w+)(?:\.([^:^}]+))?(?::([^}]+))?\}")
MACRO = re.compile(r"\$([_a-zA-Z0-9]+)\(([^)]*)\)")
REFUSED = re.compile(r"(?i)\b(user|session_user|current_user|system_user)\s*\(|current_user|show\s+grants")
UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "M": 2592000, "y": 31536000}
# A width in milliseconds below the first number becomes the second.
ROUNDED = (
    (10, 1), (15, 10), (35, 20), (75, 50), (150, 100), (350, 200), (750, 500), (1500, 1000), (3500, 2000), (7500, 5000),
    (12500, 10000), (17500, 15000), (25000, 20000), (45000, 30000), (90000, 60000), (210000, 120000), (450000, 300000),
    (750000, 600000), (1050000, 900000), (1500000, 1200000), (2700000, 1800000), (5400000, 3600000), (9000000, 7200000),
    (16200000, 10800000), (32400000, 21600000), (86400000, 43200000), (604800000, 86400000), (1814400000, 604800000),
    (3628800000, 2592000000))

# For these ranges each value of each variable is tried, for others a few.
EVERY_VALUE = ("whole", "odd", "odd minutes")


class Wrong(Exception):
    pass


def seconds(text):
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|[smhdwMy])", text.strip().strip("'\""))
    if not found:
        raise Wrong(f"{text!r} is no interval")
    return float(found[1]) * UNITS[found[2]]


def interval(start, end, points, least):
    """In milliseconds, as Grafana's pages choose it for a panel of so many points."""
    width = (end - start) * 1000 / points
    width = next((rounded for below, rounded in ROUNDED if width < below), 31536000000)
    return max(width, int(seconds(least) * 1000) if least else 1)


def spelt(milliseconds):
    for unit in ("d", "h", "m", "s"):
        if milliseconds % int(UNITS[unit] * 1000) == 0:
            return f"{milliseconds // int(UNITS[unit] * 1000)}{unit}"
    return f"{milliseconds}ms"


class Variable:
    """A variable of a dashboard with a value: a text, a list of texts, or All."""

    def __init__(self, model, value, options=()):
        self.model, self.value, self.options = model, value, list(options)

    def chosen(self):
        """None for whatever there is."""
        if self.value == ALL:
            return None if self.model.get("allValue") else self.options
        return self.value if isinstance(self.value, list) else [self.value]

    def put(self, form):
        value = self.value
        if value == ALL:
            if self.model.get("allValue"):
                return self.model["allValue"]  # as it is, whatever the format
            value = self.options
        if form == "sqlstring":
            quoted = lambda text: "'" + text.replace("'", "''").replace('"', '\\"') + "'"
            return ",".join(map(quoted, value)) if isinstance(value, list) else quoted(value)
        if form == "raw":
            return ",".join(value) if isinstance(value, list) else value
        if form in ("csv", "text"):
            return (" + " if form == "text" else ",").join(value) if isinstance(value, list) else value
        if form is None:  # the data source's own way
            escaped = lambda text: text.replace("'", "''")
            if isinstance(value, list):
                return ",".join(f"'{escaped(text)}'" for text in value)
            return f"'{escaped(value)}'" if self.model.get("multi") or self.model.get("includeAll") else escaped(value)
        raise Wrong(f"the checker does not know the format {form}")


class Case:
    """A range and a value for each variable."""

    def __init__(self, range_name, start, end, variables, points=1000):
        self.range_name, self.start, self.end, self.variables, self.points = range_name, start, end, variables, points
        self.width = 1

    def chosen(self, name):
        return self.variables[name].chosen()

    def text(self, name):
        return self.variables[name].value

    def tell(self):
        moment = lambda at: datetime.datetime.fromtimestamp(at, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        values = ", ".join(f"{name}={variable.value!r}" for name, variable in self.variables.items() if name != "datasource")
        return f"range {self.range_name} ({moment(self.start)} to {moment(self.end)}), {values or 'no variables'}"

    def query(self, text):
        text = self.in_the_page(text)
        if REFUSED.search(text):
            raise Wrong("Grafana refuses queries about users")
        text = text.replace("$__interval_ms", str(self.width)).replace("$__interval", spelt(self.width))
        text = text.replace("$__unixEpochFrom()", str(int(self.start))).replace("$__unixEpochTo()", str(int(self.end)))
        return MACRO.sub(self.macro, text)

    def in_the_page(self, text):
        def value(found):
            name, form = found[1] or found[2] or found[4], found[3] or found[6]
            if name in self.variables:
                return self.variables[name].put(form)
            special = {"__interval": spelt(self.width), "__interval_ms": str(self.width),
                       "__from": str(int(self.start * 1000)), "__to": str(int(self.end * 1000))}
            return special.get(name, found[0])
        return VARIABLE.sub(value, text)

    def macro(self, found):
        name, arguments = found[1], [one.strip() for one in found[2].split(",")] if found[2] else []
        start, end = int(self.start), int(self.end)
        moment = lambda at: f"FROM_UNIXTIME({at})" if at >= 0 else f"DATE_ADD(FROM_UNIXTIME(0), INTERVAL {at} SECOND)"
        first = arguments[0] if arguments else ""
        if name in ("__timeFilter", "__time", "__timeEpoch", "__timeGroup", "__timeGroupAlias", "__unixEpochFilter",
                    "__unixEpochNanoFilter", "__unixEpochGroup", "__unixEpochGroupAlias") and not first:
            raise Wrong(f"missing time column argument for macro {name}")
        if name in ("__time", "__timeEpoch"):
            return f"UNIX_TIMESTAMP({first}) as time_sec"
        if name == "__timeFilter":
            return f"{first} BETWEEN {moment(start)} AND {moment(end)}"
        if name == "__timeFrom":
            return moment(start)
        if name == "__timeTo":
            return moment(end)
        if name in ("__timeGroup", "__timeGroupAlias", "__unixEpochGroup", "__unixEpochGroupAlias"):
            if len(arguments) < 2:
                raise Wrong(f"macro {name} needs time column and interval")
            width = f"{seconds(arguments[1]):.0f}"
            of = f"UNIX_TIMESTAMP({first})" if name.startswith("__time") else first
            return f"{of} DIV {width} * {width}" + (' AS "time"' if name.endswith("Alias") else "")
        if name == "__unixEpochFilter":
            return f"{first} >= {start} AND {first} <= {end}"
        if name == "__unixEpochNanoFilter":
            return f"{first} >= {start * 10**9} AND {first} <= {end * 10**9}"
        if name == "__unixEpochNanoFrom":
            return str(start * 10**9)
        if name == "__unixEpochNanoTo":
            return str(end * 10**9)
        raise Wrong(f"unknown macro {name}")


def plain(value):
    """As the browser would have it: numbers, texts, and moments as seconds since 1970."""
    if isinstance(value, decimal.Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, datetime.datetime):
        return plain(value.replace(tzinfo=datetime.timezone.utc).timestamp())
    if isinstance(value, (bytes, bytearray)):
        return value.decode(errors="replace")
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return int(value) if isinstance(value, bool) else value


def same(left, right):
    if isinstance(left, (int, float)) and isinstance(right, (int, float)):
        return math.isclose(left, right, rel_tol=1e-9, abs_tol=1e-6)
    return left == right


class Warehouse:
    """MariaDB with the session that Grafana's MySQL data source has, and as strict about groups as other servers are."""

    def __init__(self, options):
        self.connection = pymysql.connect(
            host=options.host, port=options.port, user=options.user, password=os.environ.get("PANELS_PASSWORD", ""),
            database=options.database, charset="utf8mb4", collation="utf8mb4_unicode_ci", init_command="SET time_zone = '+00:00', sql_mode = CONCAT(@@sql_mode, ',ONLY_FULL_GROUP_BY')",
            autocommit=True)

    def ask(self, sql):
        with self.connection.cursor() as cursor:
            cursor.execute(sql)
            names = [column[0] for column in cursor.description]
            return names, [tuple(map(plain, row)) for row in cursor.fetchall()]

    def rows(self, table):
        with self.connection.cursor() as cursor:
            cursor.execute(f"SELECT * FROM {table}")
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, (value if isinstance(value, bytes) else plain(value) for value in row))) for row in cursor.fetchall()]


class Lake:
    """The Parquet files in DuckDB, and what roll-ups should be, computed from them."""

    TABLES = {
        "pageviews_hourly": "project, access, title, views",
        "pageview_complete_hourly": "agent, project, access, page_id, title, views",
        "mediacounts_daily": "* EXCLUDE (ts, dt)",
        "recent_changes": "* EXCLUDE (ts, dt)",
    }

    def __init__(self, folder):
        self.duck = duckdb.connect()
        for table, columns in self.TABLES.items():
            self.duck.execute(
                f"CREATE TABLE {table} AS SELECT epoch_us(ts) AS us, epoch_us(ts) // 1000000 AS ts, {columns} "
                f"FROM read_parquet('{folder}/{table}/dt=*/*.parquet', hive_partitioning = true)")
        self.duck.execute("CREATE TABLE page_hours AS SELECT DISTINCT ts FROM pageviews_hourly")
        self.duck.execute("""
            CREATE TABLE most_read AS SELECT * FROM (
              SELECT ts, project, title, views, row_number() OVER (PARTITION BY ts, project ORDER BY views DESC, title) AS place
              FROM (SELECT ts, project, title, sum(views) AS views FROM pageviews_hourly GROUP BY ALL)) WHERE place <= 100""")
        self.duck.execute("""
            CREATE TABLE most_transferred AS SELECT * FROM (
              SELECT ts, base_name, transfers, response_bytes, row_number() OVER (PARTITION BY ts ORDER BY transfers DESC, base_name) AS place
              FROM mediacounts_daily) WHERE place <= 1000""")

    def ask(self, sql, **values):
        named = {name: value for name, value in values.items() if f"${name}" in sql}
        return [tuple(map(plain, row)) for row in self.duck.execute(sql, named or None).fetchall()]


class Context:
    """What a second computation has: the lake, all rows of the small tables, and the case."""

    def __init__(self, lake, warehouse):
        self.lake, self.warehouse, self.tables, self.case = lake, warehouse, {}, None

    def rows(self, table):
        if table not in self.tables:
            self.tables[table] = self.warehouse.rows(table)
        return self.tables[table]

    def ask(self, sql, **values):
        return self.lake.ask(sql, start=self.case.start, end=self.case.end, **values)

    def among(self, column, variable):
        """A condition for DuckDB: the column's value is chosen."""
        chosen = self.case.chosen(variable)
        if chosen is None:
            return "true"
        return f"{column} IN ({', '.join(chr(39) + one.replace(chr(39), chr(39) * 2) + chr(39) for one in chosen) or 'NULL'})"

    def is_among(self, value, variable):
        chosen = self.case.chosen(variable)
        return chosen is None or value in chosen


def second(dashboard):
    path = os.path.join(HERE, "panels", f"{os.path.basename(dashboard).removesuffix('.json')}.py")
    if not os.path.exists(path):
        raise SystemExit(f"{path} is not there: each panel needs a second computation")
    spec = importlib.util.spec_from_file_location("second", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def flat(panels):
    for panel in panels:
        if panel["type"] == "row":
            yield from flat(panel.get("panels", []))
        else:
            yield panel


def is_mysql(dashboard):
    return any(one["type"] == "datasource" and one["query"] == "mysql" for one in dashboard["templating"]["list"])


class Checker:
    def __init__(self, path, warehouse, lake):
        self.name = os.path.basename(path).removesuffix(".json")
        with open(path, encoding="utf-8") as file:
            self.dashboard = json.load(file)
        self.warehouse, self.lake = warehouse, lake
        self.second = second(path)
        self.context = Context(lake, warehouse)
        self.panels = list(flat(self.dashboard["panels"]))
        self.by_id = {panel["id"]: panel for panel in self.panels}
        self.models = [one for one in self.dashboard["templating"]["list"] if one["type"] != "datasource"]
        self.found, self.wrong, self.checks, self.slowest = {}, {}, 0, (0, "")

    # Cases

    def variables(self, values, range_, case):
        """Those of a case; options of a query variable are what its query says, with the variables before it."""
        variables = {}
        for model in self.models:
            name, value = model["name"], values.get(model["name"])
            options = []
            if model["type"] == "query":
                options = self.options(model, Case(*range_, variables))
                if value is None:
                    value = ALL if model.get("includeAll") else (options[0] if options else "")
            elif value is None:
                value = model.get("current", {}).get("value", "")
            variables[name] = Variable(model, value, options)
        return variables

    def options(self, model, case):
        names, rows = self.run(case, f"variable {model['name']}", model["query"])
        return [str(row[0]) for row in rows if row[0] is not None]

    def cases(self, ranges):
        full = self.variables({}, ranges[0], None)
        tries = [{}]
        for name, variable in full.items():
            if variable.model["type"] == "textbox":
                tries += [{name: value} for value in self.second.TEXTS]
                continue
            options = variable.options
            quoted = [one for one in options if "'" in one]
            several = (options[:2] + quoted[:1] + options[-2:]) or ["a", "b"]
            single = [options[0] if options else "a", options[-1] if options else "b", *quoted[:1], "no'such\"one"]
            if variable.model.get("multi"):
                tries += [{name: [one]} for one in single] + [{name: several}]
            else:
                tries += [{name: one} for one in single]
        together = {name: variable.options[:3] for name, variable in full.items() if variable.model.get("multi")}
        tries.append(together)
        quoted = [one for one in tries if any("'" in str(value) for value in one.values())]
        for range_ in ranges:
            for values in tries if range_[0] in EVERY_VALUE else [{}, together, *quoted[:1]]:
                for points in (1000, 30) if values in ({}, together) else (1000,):
                    yield Case(*range_, self.variables(values, range_, None), points)

    # Checks

    def run(self, case, what, sql):
        query = case.query(sql)
        began = time.monotonic()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                names, rows = self.warehouse.ask(query)
        except pymysql.err.MySQLError as error:
            raise Wrong(f"{error}\n{query}") from error
        took = time.monotonic() - began
        self.slowest = max(self.slowest, (took, what))
        self.checks += 1
        for row in rows:
            if any(isinstance(value, float) and not math.isfinite(value) for value in row):
                raise Wrong(f"a value is no number: {row}")
        return names, rows

    def shown(self, panel, target, case):
        """Columns and rows of a target; of one that shows another panel's result, that."""
        if target["datasource"]["uid"] == "-- Dashboard --":
            source = self.by_id.get(target["panelId"])
            if source is None:
                raise Wrong(f"panel {target['panelId']} is not there")
            names, rows = self.shown(source, source["targets"][0], case)
        else:
            case.width = interval(case.start, case.end, panel.get("maxDataPoints") or case.points, panel.get("interval"))
            names, rows = self.run(case, panel["title"], target["rawSql"])
        for step in panel.get("transformations", []):
            if step["id"] != "filterFieldsByName":
                raise Wrong(f"the checker does not know the transformation {step['id']}")
            kept = [names.index(name) for name in step["options"]["include"]["names"]]
            kept.sort()
            names, rows = [names[at] for at in kept], [tuple(row[at] for at in kept) for row in rows]
        return names, rows

    def check(self, title, target, names, rows, case, expected):
        if target.get("format") == "time_series":
            if names[0] not in ("time", "time_sec"):
                raise Wrong(f"a time series has to begin with a column time, not {names}")
            times = [row[0] for row in rows]
            if times != sorted(times):
                raise Wrong("the rows are not in the order of their times")
            if len({row[:2] if len(names) == 3 else row[:1] for row in rows}) != len(rows):
                raise Wrong("a series has two values at one time")
            key = lambda row: tuple((value is None, str(value)) for value in row[:2 if len(row) == 3 else 1])
            rows, expected = sorted(rows, key=key), sorted(expected, key=key)
        if rows and any(value is not None for row in rows for value in row):
            self.found[title, target["refId"]] = True
        for number in range(max(len(rows), len(expected))):
            got = rows[number] if number < len(rows) else None
            want = expected[number] if number < len(expected) else None
            if got is None or want is None or len(got) != len(want) or not all(map(same, got, want)):
                raise Wrong(f"row {number + 1} of {len(rows)} is {got}, computed from the lake ({len(expected)} rows) it is {want}")

    def computed(self, computed, case, target):
        self.context.case = case
        try:
            expected = computed(self.context)
        except Exception as error:
            raise Wrong(f"the second computation failed: {type(error).__name__}: {error}") from error
        if isinstance(expected, dict):
            expected = expected[target]
        return [tuple(map(plain, row)) for row in expected]

    def one(self, title, panel, target, case):
        if (title, target["refId"]) in self.wrong:
            return
        try:
            computed = self.second.PANELS.get(title)
            if computed is None:
                raise Wrong("has no second computation")
            names, rows = self.shown(panel, target, case)
            expected = self.computed(computed, case, target["refId"])
            self.check(title, target, names, rows, case, expected)
        except Wrong as error:
            self.wrong[title, target["refId"]] = f"{self.name}: {title} ({target['refId']}): {case.tell()}\n    {error}"

    def all(self, ranges):
        annotations = [one for one in self.dashboard["annotations"]["list"] if "target" in one]
        targets = [(panel["title"], panel, target) for panel in self.panels for target in panel.get("targets", [])]
        targets += [(f"annotation {one['name']}", {"title": one["name"]}, one["target"]) for one in annotations]
        cases = 0
        try:
            for case in self.cases(ranges):
                cases += 1
                for model in self.models:
                    self.variable(model, case)
                for title, panel, target in targets:
                    self.one(title, panel, target, case)
        except Wrong as error:
            self.wrong["variables", ""] = f"{self.name}: variables: {error}"
        for title, _, target in targets:
            if (title, target["refId"]) not in self.found and (title, target["refId"]) not in self.wrong:
                self.wrong[title, target["refId"]] = f"{self.name}: {title} ({target['refId']}): was empty in all {cases} cases"
        unused = set(self.second.PANELS) - {title for title, *_ in targets} - {f"variable {one['name']}" for one in self.models}
        for title in sorted(unused):
            self.wrong[title, ""] = f"{self.name}: {title}: is computed, and no panel is called so"
        self.targets = len(targets) + sum(one["type"] == "query" for one in self.models)
        return cases

    def variable(self, model, case):
        title = f"variable {model['name']}"
        if model["type"] != "query" or (title, "") in self.wrong:
            return
        try:
            computed = self.second.PANELS.get(title)
            if computed is None:
                raise Wrong("has no second computation")
            names, rows = self.run(case, title, model["query"])
            self.check(title, {"refId": ""}, names, rows, case, self.computed(computed, case, ""))
        except Wrong as error:
            self.wrong[title, ""] = f"{self.name}: {title}: {case.tell()}\n    {error}"


def ranges(warehouse):
    """Whole data, edges on boundaries of hours and days, edges on none, nothing at all, and years."""
    _, [(first, last)] = warehouse.ask("SELECT MIN(ts), MAX(ts) FROM pageviews_project_hourly")
    if first is None:
        raise SystemExit("the database has no page views")
    _, [(event,)] = warehouse.ask("SELECT MAX(ts) FROM recent_changes_minute")
    last += 3600
    event = (event or last) // 300 * 300
    day = last // 86400 * 86400
    return (
        ("whole", first - 1800, max(last, event + 600) + 1800),
        ("hours", last - 4 * 3600, last),
        ("days", day - 8 * 86400, day - 3 * 86400),
        ("minutes", event - 40 * 60, event - 10 * 60),
        ("odd", first + 101 * 3600 + 1234, last - 5 * 86400 - 4567),
        ("odd minutes", event - 7123, event - 77),
        ("empty", 946684800, 946771200),
        ("years", 1293840000, last + 86400),
    )


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("dashboards", nargs="*")
    arguments.add_argument("--lake", required=True)
    arguments.add_argument("--host", default="127.0.0.1")
    arguments.add_argument("--port", type=int, default=3306)
    arguments.add_argument("--user", default="root")
    arguments.add_argument("--database", default="wikimedia")
    options = arguments.parse_args()
    warehouse, lake = Warehouse(options), Lake(options.lake)
    wrong = 0
    for path in options.dashboards or sorted(glob.glob(f"{CHART}/*.json")):
        with open(path, encoding="utf-8") as file:
            if not is_mysql(json.load(file)):
                continue
        checker = Checker(path, warehouse, lake)
        cases = checker.all(ranges(warehouse))
        for problem in checker.wrong.values():
            print(problem, file=sys.stderr)
        wrong += len(checker.wrong)
        took, slowest = checker.slowest
        print(f"{checker.name}: {len(checker.panels)} panels, {checker.targets} queries, {cases} cases, {checker.checks} runs, "
              f"{len(checker.wrong)} wrong; the slowest took {took * 1000:.0f} ms ({slowest})")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

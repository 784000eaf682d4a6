"""Checks what the chart's dashboards are made of; panels.py checks what they show.

    dashboards.py [--promtool PROGRAM] [DASHBOARD.json ...]

The JSON is read as Grafana's own types (its foundation SDK) and written again: a key that is lost has no such place, and a
value that is of none of a type's names is wrong. Then what this project asks for: uids, links, variables, units,
descriptions, layout, and metrics that the operator exports. With promtool (Debian's package prometheus) the queries for
Prometheus are parsed. Ends with 1 if anything is wrong, and a line for each thing that is.
"""
import argparse, enum, glob, json, os, re, subprocess, sys, tempfile, types, typing

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
CHART = os.path.join(ROOT, "charts/wikiingest")
VARIABLE = re.compile(r"\$(\w+)|\$\{(\w+)(?:\.([^:^}]+))?(?::([^}]+))?\}")
# What Grafana knows without a variable: its pages' own, and the macros of its MySQL data source.
BUILT_IN = {
    "__interval", "__interval_ms", "__rate_interval", "__range", "__from", "__to", "__all", "__data", "__value", "__field",
    "__timeFrom", "__timeTo", "__timeGroup", "__timeGroupAlias", "__unixEpochFrom", "__unixEpochTo"}
MYSQL_TARGET = {"datasource", "editorMode", "format", "rawQuery", "rawSql", "refId"}
PROMETHEUS_TARGET = {"datasource", "editorMode", "expr", "format", "instant", "legendFormat", "range", "refId"}
SHARED_TARGET = {"datasource", "panelId", "refId", "withTransforms"}
OVERRIDES = {
    "color", "unit", "min", "max", "links", "thresholds", "decimals", "custom.width", "custom.cellOptions", "custom.hidden",
    "custom.hideFrom", "custom.lineStyle", "custom.fillOpacity", "custom.lineWidth"}
SCHEMA_VERSIONS = (41, 42)
SIMPLE = {str: str, bool: bool, int: int, float: (int, float)}


def lost(before, after, path=""):
    if isinstance(before, dict) and isinstance(after, dict):
        for key in before:
            # A null is not written.
            if key not in after and before[key] is not None:
                yield f"{path}.{key} has no place in Grafana's types"
            elif key in after:
                yield from lost(before[key], after[key], f"{path}.{key}")
    elif isinstance(before, list) and isinstance(after, list):
        if len(before) != len(after):
            yield f"{path} has {len(after)} of {len(before)} entries in Grafana's types"
        for number, pair in enumerate(zip(before, after)):
            yield from lost(*pair, f"{path}[{number}]")
    elif before != after:
        yield f"{path} is {before!r}, in Grafana's types {after!r}"


def kinds(hint):
    return [one for arg in typing.get_args(hint) for one in kinds(arg)] if typing.get_origin(hint) in (typing.Union, types.UnionType) else [hint]


def mistyped(value, hint, path):
    """Values that are not of the type that a field is declared with."""
    wanted = kinds(hint)
    if value is None or typing.Any in wanted or object in wanted:
        return
    for kind in wanted:
        if typing.get_origin(kind) is list and isinstance(value, list):
            for number, one in enumerate(value):
                yield from mistyped(one, typing.get_args(kind)[0], f"{path}[{number}]")
            return
        if typing.get_origin(kind) is dict and isinstance(value, dict):
            for key, one in value.items():
                yield from mistyped(one, typing.get_args(kind)[1], f"{path}.{key}")
            return
        if isinstance(kind, type) and issubclass(kind, enum.Enum):
            if value in [one.value for one in kind] or isinstance(value, kind):
                return
        elif kind in SIMPLE and isinstance(value, SIMPLE[kind]) and isinstance(value, bool) == (kind is bool):
            return
        elif isinstance(kind, type) and isinstance(value, kind):
            yield from fields(value, path)
            return
    names = [one.value for kind in wanted if isinstance(kind, type) and issubclass(kind, enum.Enum) for one in kind]
    if names or all(kind in SIMPLE or kind is type(None) for kind in wanted):
        yield f"{path} is {value!r}, none of {names or [getattr(kind, '__name__', kind) for kind in wanted]}"


def fields(model, path):
    try:
        hints = typing.get_type_hints(type(model))
    except (NameError, TypeError):
        return
    for name, hint in hints.items():
        value = getattr(model, name, None)
        yield from mistyped(value, hint, f"{path}.{name}")
        if type(model).__name__ in ("Panel", "FieldConfig") and hasattr(value, "__dict__") and type(hint) is not type(value):
            yield from fields(value, f"{path}.{name}")


def of_types(dashboard):
    try:
        model = Dashboard.from_json(dashboard)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        return [f"Grafana's types cannot read it: {type(error).__name__}: {error}"]
    again = json.loads(json.dumps(model, cls=JSONEncoder))
    return [*lost(dashboard, again), *fields(model, "")]


def strings(value, path=""):
    if isinstance(value, dict):
        for key, one in value.items():
            yield from strings(one, f"{path}.{key}")
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from strings(one, f"{path}[{number}]")
    elif isinstance(value, str):
        yield path, value


def sources(value):
    """All data sources, wherever they are."""
    if isinstance(value, dict):
        if "datasource" in value:
            yield value["datasource"]
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from sources(one)


def flat(panels):
    for panel in panels:
        yield panel
        yield from flat(panel.get("panels", []))


def head(name, dashboard):
    uid = f"wikiingest-{name}"
    wanted = {"uid": uid, "id": None, "editable": False, "timezone": "utc", "tags": ["wikiingest"]}
    for key, value in wanted.items():
        if dashboard.get(key, "nothing") != value:
            yield f"{key} is {dashboard.get(key)!r}, not {value!r}"
    if dashboard.get("schemaVersion") not in SCHEMA_VERSIONS:
        yield f"schemaVersion is {dashboard.get('schemaVersion')}, none of {SCHEMA_VERSIONS}"
    for key in ("title", "description", "refresh", "time"):
        if not dashboard.get(key):
            yield f"has no {key}"
    if {"__inputs", "__requires"} & dashboard.keys():
        yield "is as exported for grafana.com, which cannot be provisioned"
    if sum(one.get("builtIn") == 1 for one in dashboard["annotations"]["list"]) != 1:
        yield "has not the one built-in annotation"


def links(dashboard, uids):
    seen = set()
    for link in dashboard["links"]:
        found = re.fullmatch(r"/d/([\w-]+)", link.get("url", ""))
        if link["type"] != "link" or not found or found[1] not in uids:
            yield f"link {link.get('title')!r} leads to {link.get('url')!r}, which is none of these dashboards"
            continue
        seen.add(found[1])
        if not link.get("keepTime"):
            yield f"link {link['title']!r} does not keep the time range"
    if seen != uids - {dashboard["uid"]}:
        yield f"has no link to {', '.join(sorted(uids - {dashboard['uid']} - seen)) or 'others alone'}"


def variables(dashboard):
    models = dashboard["templating"]["list"]
    names = [one["name"] for one in models]
    first = models[0] if models else {}
    if names.count("datasource") != 1 or first.get("type") != "datasource" or first.get("label") != "Data source":
        yield "its first variable is not the data source, named datasource, labelled Data source"
    if len(set(names)) != len(names):
        yield "two variables have one name"
    for number, model in enumerate(models):
        for path, text in strings({key: model.get(key) for key in ("query", "allValue", "definition")}):
            for found in VARIABLE.finditer(text):
                name = found[1] or found[2]
                if name not in BUILT_IN and name not in names[:number]:
                    yield f"variable {model['name']}{path} uses {name}, which is not before it"
        if model["type"] == "query" and not model.get("description"):
            yield f"variable {model['name']} has no description"
        if model["type"] == "query" and model.get("includeAll") and not model.get("allValue"):
            # What has no options becomes `IN ()`.
            yield f"variable {model['name']} has no allValue, and All of nothing is no SQL"
    used = set()
    for path, text in strings({key: value for key, value in dashboard.items() if key != "templating"}):
        for found in VARIABLE.finditer(text):
            name = found[1] or found[2]
            used.add(name)
            if name not in BUILT_IN and name not in names and not path.endswith((".url", ".legendFormat")):
                yield f"{path} uses {name}, which is no variable"
    for path, text in strings(models):
        used |= {found[1] or found[2] for found in VARIABLE.finditer(text)}
    for name in names:
        if name not in used:
            yield f"variable {name} is not used"


def data_sources(dashboard):
    kind = dashboard["templating"]["list"][0].get("query")
    allowed = (
        {"type": kind, "uid": "${datasource}"}, {"type": "grafana", "uid": "-- Grafana --"},
        {"type": "datasource", "uid": "-- Dashboard --"})
    for one in sources(dashboard):
        if one not in allowed:
            yield f"data source {one} is of one installation"


def layout(panels):
    taken = {}
    for panel in panels:
        place = panel["gridPos"]
        if place["x"] < 0 or place["w"] < 1 or place["h"] < 1 or place["x"] + place["w"] > 24:
            yield f"{panel['title']} does not lie in 24 columns"
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                if (x, y) in taken:
                    yield f"{panel['title']} lies over {taken[x, y]}"
                    return
                taken[x, y] = panel["title"]
    rows = {y for _, y in taken}
    for y in sorted(rows):
        if any((x, y) not in taken for x in range(24)):
            yield f"there is a hole in row {y}"
            return
    if rows and rows != set(range(max(rows) + 1)):
        yield "there is an empty row"


def target(panel, one):
    uid = one["datasource"]["uid"]
    keys = SHARED_TARGET if uid == "-- Dashboard --" else MYSQL_TARGET if "rawSql" in one else PROMETHEUS_TARGET
    for key in one.keys() ^ keys:
        if key in one or key in ("rawSql", "expr", "panelId", "format", "rawQuery", "refId"):
            yield f"target {one.get('refId')}: {key} is {'unknown' if key in one else 'missing'}"
    if "rawSql" in one:
        if one.get("rawQuery") is not True or one.get("editorMode") != "code":
            yield f"target {one['refId']} is not a query in code"
        if one.get("format") not in ("table", "time_series"):
            yield f"target {one['refId']} has the format {one.get('format')}"
        if "$__timeFilter" in one["rawSql"]:
            yield f"target {one['refId']}: $__timeFilter takes in both ends; a bucket belongs to the range in which it begins"
        if "$__interval" in one["rawSql"] and not panel.get("interval"):
            yield f"target {one['refId']} groups by $__interval, and the panel has no least one"


def named(panel):
    """The names of the fields that the targets bring."""
    names = set()
    for one in panel.get("targets", []):
        names |= set(re.findall(r'AS "([^"]+)"', one.get("rawSql", "")))
        names.add(one.get("legendFormat"))
    return names


def panel(one, panels):
    if one["type"] == "row":
        return
    for key in ("title", "description"):
        if not one.get(key, "").strip():
            yield f"has no {key}"
    if not one.get("targets"):
        yield "asks for nothing"
    defaults = one["fieldConfig"]["defaults"]
    if not defaults.get("unit"):
        yield "has no unit"
    steps = defaults["thresholds"]["steps"]
    values = [step["value"] for step in steps]
    if values[0] is not None or None in values[1:] or values[1:] != sorted(values[1:]):
        yield f"thresholds {values} do not begin with null, or do not rise"
    refs = [target["refId"] for target in one.get("targets", [])]
    if len(set(refs)) != len(refs):
        yield "two targets have one refId"
    for each in one.get("targets", []):
        yield from target(one, each)
        if "panelId" in each and not any(other["id"] == each["panelId"] and other is not one for other in panels):
            yield f"shows panel {each['panelId']}, which is not there"
    names = named(one)
    for override in one["fieldConfig"]["overrides"]:
        if override["matcher"]["id"] == "byName" and override["matcher"]["options"] not in names:
            yield f"an override is for {override['matcher']['options']!r}, and no target brings that"
        for each in override["properties"]:
            if each["id"] not in OVERRIDES:
                yield f"an override sets {each['id']}, which the checker does not know"


def exported():
    """The metrics of the operator, by the names that a registry makes of those in its source."""
    with open(os.path.join(ROOT, "operator/src/metrics.rs"), encoding="utf-8") as file:
        source = file.read()
    prefix = re.search(r'with_prefix\("(\w+)"\)', source)[1]
    kinds = {field: kind for field, kind in re.findall(r"^    (\w+): (.*),$", source.split("impl Default")[0], re.M)}
    names = set()
    for with_unit, name, field in re.findall(r'r\.register(_with_unit)?\(\s*"(\w+)",.*?self\.(\w+)\.clone\(\)', source, re.S):
        name = f"{prefix}_{name}{'_seconds' if with_unit else ''}"
        if "Counter" in kinds[field]:
            names.add(f"{name}_total")
        elif "Histogram" in kinds[field]:
            names |= {f"{name}_{part}" for part in ("bucket", "sum", "count")}
        else:
            names.add(name)
    return names


def expressions(dashboard):
    for one in flat(dashboard["panels"]):
        for each in one.get("targets", []):
            if "expr" in each:
                yield one["title"], each["expr"]
    for model in dashboard["templating"]["list"]:
        if isinstance(model.get("query"), dict):
            yield f"variable {model['name']}", model["query"]["query"]


def metrics(texts):
    known, used = exported(), set()
    for title, text in texts:
        for name in re.findall(r"\bwikiingest_operator_\w+", text):
            used.add(name)
            if name not in known:
                yield f"{title}: the operator exports no {name}"
    unused = {name for name in known - used if not name.endswith(("_sum", "_count"))}
    for name in sorted(unused):
        yield f"shows no {name}, which the operator exports"


def parsed(dashboard, promtool):
    rules = []
    for number, (title, text) in enumerate(expressions(dashboard)):
        if title.startswith("variable "):
            continue
        text = re.sub(r"\$__(rate_interval|range|interval)", "5m", text)
        rules.append({"record": f"panel_{number}", "expr": VARIABLE.sub(".*", text), "labels": {"panel": title}})
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        json.dump({"groups": [{"name": "dashboard", "rules": rules}]}, file)
        file.flush()
        ran = subprocess.run([promtool, "check", "rules", file.name], capture_output=True, text=True)
    return [] if ran.returncode == 0 else [f"promtool: {ran.stdout}{ran.stderr}"]


def problems(name, dashboard, uids, promtool):
    panels = list(flat(dashboard["panels"]))
    yield from of_types(dashboard)
    yield from head(name, dashboard)
    yield from links(dashboard, uids)
    yield from variables(dashboard)
    yield from data_sources(dashboard)
    yield from layout(panels)
    for key in ("id", "title"):
        values = [one[key] for one in panels]
        for value in {value for value in values if values.count(value) > 1}:
            yield f"two panels have the {key} {value}"
    for one in panels:
        for problem in panel(one, panels):
            yield f"{one['title']}: {problem}"
    texts = list(expressions(dashboard))
    if texts:
        yield from metrics(texts)
        if promtool:
            yield from parsed(dashboard, promtool)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("dashboards", nargs="*")
    arguments.add_argument("--promtool")
    options = arguments.parse_args()
    register_default_plugins()
    dashboards = {}
    for path in options.dashboards or sorted(glob.glob(f"{CHART}/dashboards/*.json")):
        with open(path, encoding="utf-8") as file:
            dashboards[os.path.basename(path).removesuffix(".json")] = json.load(file)
    uids = {one["uid"] for one in dashboards.values()}
    found = [f"{name}: {problem}" for name, one in dashboards.items() for problem in problems(name, one, uids, options.promtool)]
    if len(uids) != len(dashboards) or not dashboards:
        found.append("uids are not unique, or there is no dashboard")
    with open(f"{CHART}/files/alerts.yaml", encoding="utf-8") as file:
        known = exported()
        found += [f"alerts: the operator exports no {name}" for name in set(re.findall(r"\bwikiingest_operator_\w+", file.read())) - known]
    for problem in found:
        print(problem, file=sys.stderr)
    count = sum(len(list(flat(one["panels"]))) for one in dashboards.values())
    print(f"{len(dashboards)} dashboards, {count} panels, {len(found)} wrong")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

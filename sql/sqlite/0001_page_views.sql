-- Embedded, for one machine. Times are text, `YYYY-MM-DD HH:MM:SS`, UTC.
-- Every statement can be run twice.

CREATE TABLE IF NOT EXISTS pageviews_hourly (
  ts TEXT NOT NULL,
  domain_code TEXT NOT NULL,
  project TEXT NOT NULL,
  access TEXT NOT NULL,
  title TEXT NOT NULL,
  views INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS pageviews_hourly_ts ON pageviews_hourly (ts);
CREATE TABLE IF NOT EXISTS pageviews_project_hourly (
  ts TEXT NOT NULL,
  project TEXT NOT NULL,
  access TEXT NOT NULL,
  views INTEGER NOT NULL,
  pages INTEGER NOT NULL,
  PRIMARY KEY (ts, project, access)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pageviews_top_hourly (
  ts TEXT NOT NULL,
  project TEXT NOT NULL,
  rank_no INTEGER NOT NULL,
  title TEXT NOT NULL,
  views INTEGER NOT NULL,
  PRIMARY KEY (ts, project, rank_no)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS pagecounts_hourly (
  ts TEXT NOT NULL,
  domain_code TEXT NOT NULL,
  project TEXT NOT NULL,
  access TEXT NOT NULL,
  title TEXT NOT NULL,
  views INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS pagecounts_hourly_ts ON pagecounts_hourly (ts);
CREATE TABLE IF NOT EXISTS pagecounts_project_hourly (
  ts TEXT NOT NULL,
  project TEXT NOT NULL,
  access TEXT NOT NULL,
  views INTEGER NOT NULL,
  pages INTEGER NOT NULL,
  PRIMARY KEY (ts, project, access)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pagecounts_top_hourly (
  ts TEXT NOT NULL,
  project TEXT NOT NULL,
  rank_no INTEGER NOT NULL,
  title TEXT NOT NULL,
  views INTEGER NOT NULL,
  PRIMARY KEY (ts, project, rank_no)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS ingest_ledger (
  source TEXT NOT NULL,
  unit TEXT NOT NULL,
  ts TEXT NOT NULL,
  size INTEGER NOT NULL,
  etag TEXT NOT NULL,
  rows INTEGER NOT NULL,
  rejected INTEGER NOT NULL,
  loaded_at TEXT NOT NULL,
  PRIMARY KEY (source, unit)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ingest_rejects (
  source TEXT NOT NULL,
  unit TEXT NOT NULL,
  ts TEXT NOT NULL,
  line_no INTEGER NOT NULL,
  line BLOB NOT NULL,
  reason TEXT NOT NULL,
  loaded_at TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS ingest_rejects_unit ON ingest_rejects (source, unit);

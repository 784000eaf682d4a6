-- SingleStore. Not run in our tests, which have no such server: what differs from ../mysql is kept to the
-- keys and the collations.
-- Every statement can be run twice. Times are UTC.

CREATE TABLE IF NOT EXISTS pageviews_hourly (
  ts DATETIME NOT NULL,
  domain_code VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  project VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  access VARCHAR(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  title VARCHAR(4096) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  views BIGINT NOT NULL,
  SHARD KEY (project, title), SORT KEY (ts)
);
CREATE TABLE IF NOT EXISTS pageviews_project_hourly (
  ts DATETIME NOT NULL,
  project VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  access VARCHAR(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  views BIGINT NOT NULL,
  pages BIGINT NOT NULL,
  PRIMARY KEY (ts, project, access), SORT KEY (ts)
);
CREATE TABLE IF NOT EXISTS pageviews_top_hourly (
  ts DATETIME NOT NULL,
  project VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  rank_no INT NOT NULL,
  title VARCHAR(4096) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  views BIGINT NOT NULL,
  PRIMARY KEY (ts, project, rank_no), SORT KEY (ts)
);

CREATE TABLE IF NOT EXISTS pagecounts_hourly (
  ts DATETIME NOT NULL,
  domain_code VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  project VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  access VARCHAR(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  title VARCHAR(4096) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  views BIGINT NOT NULL,
  SHARD KEY (project, title), SORT KEY (ts)
);
CREATE TABLE IF NOT EXISTS pagecounts_project_hourly (
  ts DATETIME NOT NULL,
  project VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  access VARCHAR(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  views BIGINT NOT NULL,
  pages BIGINT NOT NULL,
  PRIMARY KEY (ts, project, access), SORT KEY (ts)
);
CREATE TABLE IF NOT EXISTS pagecounts_top_hourly (
  ts DATETIME NOT NULL,
  project VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  rank_no INT NOT NULL,
  title VARCHAR(4096) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  views BIGINT NOT NULL,
  PRIMARY KEY (ts, project, rank_no), SORT KEY (ts)
);

CREATE ROWSTORE TABLE IF NOT EXISTS ingest_ledger (
  source VARCHAR(32) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  unit VARCHAR(128) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  ts DATETIME NOT NULL,
  size BIGINT NOT NULL,
  etag VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  `rows` BIGINT NOT NULL,
  rejected BIGINT NOT NULL,
  loaded_at DATETIME NOT NULL,
  PRIMARY KEY (source, unit)
);
CREATE TABLE IF NOT EXISTS ingest_rejects (
  source VARCHAR(32) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  unit VARCHAR(128) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  ts DATETIME NOT NULL,
  line_no BIGINT NOT NULL,
  line BLOB NOT NULL,
  reason VARCHAR(512) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  loaded_at DATETIME NOT NULL,
  SORT KEY (ts)
);

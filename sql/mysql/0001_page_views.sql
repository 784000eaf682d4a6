-- MariaDB and MySQL.
-- Every statement can be run twice. Times are UTC.

CREATE TABLE IF NOT EXISTS pageviews_hourly (
  ts DATETIME NOT NULL,
  domain_code VARCHAR(64) NOT NULL,
  project VARCHAR(255) NOT NULL,
  access VARCHAR(16) NOT NULL,
  title VARCHAR(4096) NOT NULL,
  views BIGINT NOT NULL,
  KEY pageviews_hourly_ts (ts)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
CREATE TABLE IF NOT EXISTS pageviews_project_hourly (
  ts DATETIME NOT NULL,
  project VARCHAR(255) NOT NULL,
  access VARCHAR(16) NOT NULL,
  views BIGINT NOT NULL,
  pages BIGINT NOT NULL,
  PRIMARY KEY (ts, project, access)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
CREATE TABLE IF NOT EXISTS pageviews_top_hourly (
  ts DATETIME NOT NULL,
  project VARCHAR(255) NOT NULL,
  rank_no INT NOT NULL,
  title VARCHAR(4096) NOT NULL,
  views BIGINT NOT NULL,
  PRIMARY KEY (ts, project, rank_no)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS pagecounts_hourly (
  ts DATETIME NOT NULL,
  domain_code VARCHAR(64) NOT NULL,
  project VARCHAR(255) NOT NULL,
  access VARCHAR(16) NOT NULL,
  title VARCHAR(4096) NOT NULL,
  views BIGINT NOT NULL,
  KEY pagecounts_hourly_ts (ts)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
CREATE TABLE IF NOT EXISTS pagecounts_project_hourly (
  ts DATETIME NOT NULL,
  project VARCHAR(255) NOT NULL,
  access VARCHAR(16) NOT NULL,
  views BIGINT NOT NULL,
  pages BIGINT NOT NULL,
  PRIMARY KEY (ts, project, access)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
CREATE TABLE IF NOT EXISTS pagecounts_top_hourly (
  ts DATETIME NOT NULL,
  project VARCHAR(255) NOT NULL,
  rank_no INT NOT NULL,
  title VARCHAR(4096) NOT NULL,
  views BIGINT NOT NULL,
  PRIMARY KEY (ts, project, rank_no)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS ingest_ledger (
  source VARCHAR(32) NOT NULL,
  unit VARCHAR(128) NOT NULL,
  ts DATETIME NOT NULL,
  size BIGINT NOT NULL,
  etag VARCHAR(255) NOT NULL,
  `rows` BIGINT NOT NULL,
  rejected BIGINT NOT NULL,
  loaded_at DATETIME NOT NULL,
  PRIMARY KEY (source, unit)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
CREATE TABLE IF NOT EXISTS ingest_rejects (
  source VARCHAR(32) NOT NULL,
  unit VARCHAR(128) NOT NULL,
  ts DATETIME NOT NULL,
  line_no BIGINT NOT NULL,
  line BLOB NOT NULL,
  reason VARCHAR(512) NOT NULL,
  loaded_at DATETIME NOT NULL,
  KEY ingest_rejects_unit (source, unit)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

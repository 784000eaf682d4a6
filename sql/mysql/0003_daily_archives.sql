-- MariaDB and MySQL.
-- Every statement can be run twice, as a column that is there already is none to add. Times are UTC.

-- What was loaded before has neither.
ALTER TABLE pagecounts_hourly ADD COLUMN bytes BIGINT NOT NULL DEFAULT 0;
ALTER TABLE pagecounts_hourly ADD COLUMN is_broken BOOLEAN NOT NULL DEFAULT 0;

CREATE TABLE IF NOT EXISTS pageview_complete_hourly (
  ts DATETIME NOT NULL,
  agent VARCHAR(16) NOT NULL,
  project VARCHAR(255) NOT NULL,
  access VARCHAR(16) NOT NULL,
  page_id BIGINT NULL,
  title VARCHAR(4096) NOT NULL,
  views BIGINT NOT NULL,
  KEY pageview_complete_hourly_agent_ts (agent, ts)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
CREATE TABLE IF NOT EXISTS pageview_complete_project_hourly (
  ts DATETIME NOT NULL,
  agent VARCHAR(16) NOT NULL,
  project VARCHAR(255) NOT NULL,
  access VARCHAR(16) NOT NULL,
  views BIGINT NOT NULL,
  pages BIGINT NOT NULL,
  PRIMARY KEY (agent, ts, project, access)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
CREATE TABLE IF NOT EXISTS pageview_complete_top_daily (
  ts DATETIME NOT NULL,
  agent VARCHAR(16) NOT NULL,
  project VARCHAR(255) NOT NULL,
  rank_no INT NOT NULL,
  title VARCHAR(4096) NOT NULL,
  views BIGINT NOT NULL,
  PRIMARY KEY (agent, ts, project, rank_no)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS mediacounts_daily (
  ts DATETIME NOT NULL,
  base_name VARCHAR(4096) NOT NULL,
  project VARCHAR(255) NOT NULL,
  file VARCHAR(4096) NOT NULL,
  response_bytes BIGINT NOT NULL,
  transfers BIGINT NOT NULL,
  original BIGINT NOT NULL,
  transcoded_audio BIGINT NOT NULL,
  transcoded_image BIGINT NOT NULL,
  image_0_199 BIGINT NOT NULL,
  image_200_399 BIGINT NOT NULL,
  image_400_599 BIGINT NOT NULL,
  image_600_799 BIGINT NOT NULL,
  image_800_999 BIGINT NOT NULL,
  image_1000 BIGINT NOT NULL,
  transcoded_movie BIGINT NOT NULL,
  movie_0_239 BIGINT NOT NULL,
  movie_240_479 BIGINT NOT NULL,
  movie_480 BIGINT NOT NULL,
  referer_internal BIGINT NOT NULL,
  referer_external BIGINT NOT NULL,
  referer_unknown BIGINT NOT NULL,
  KEY mediacounts_daily_ts (ts)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
CREATE TABLE IF NOT EXISTS mediacounts_top_daily (
  ts DATETIME NOT NULL,
  rank_no INT NOT NULL,
  base_name VARCHAR(4096) NOT NULL,
  transfers BIGINT NOT NULL,
  response_bytes BIGINT NOT NULL,
  PRIMARY KEY (ts, rank_no)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

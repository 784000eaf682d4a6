-- Embedded, for one machine. Times are text, `YYYY-MM-DD HH:MM:SS`, UTC.
-- Every statement can be run twice, as a column that is there already is none to add. Times are UTC.

-- What was loaded before has neither.
ALTER TABLE pagecounts_hourly ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE pagecounts_hourly ADD COLUMN is_broken INTEGER NOT NULL DEFAULT 0;

CREATE TABLE IF NOT EXISTS pageview_complete_hourly (
  ts TEXT NOT NULL,
  agent TEXT NOT NULL,
  project TEXT NOT NULL,
  access TEXT NOT NULL,
  page_id INTEGER NULL,
  title TEXT NOT NULL,
  views INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS pageview_complete_hourly_ts ON pageview_complete_hourly (agent, ts);
CREATE TABLE IF NOT EXISTS pageview_complete_project_hourly (
  ts TEXT NOT NULL,
  agent TEXT NOT NULL,
  project TEXT NOT NULL,
  access TEXT NOT NULL,
  views INTEGER NOT NULL,
  pages INTEGER NOT NULL,
  PRIMARY KEY (agent, ts, project, access)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pageview_complete_top_daily (
  ts TEXT NOT NULL,
  agent TEXT NOT NULL,
  project TEXT NOT NULL,
  rank_no INTEGER NOT NULL,
  title TEXT NOT NULL,
  views INTEGER NOT NULL,
  PRIMARY KEY (agent, ts, project, rank_no)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS mediacounts_daily (
  ts TEXT NOT NULL,
  base_name TEXT NOT NULL,
  project TEXT NOT NULL,
  file TEXT NOT NULL,
  response_bytes INTEGER NOT NULL,
  transfers INTEGER NOT NULL,
  original INTEGER NOT NULL,
  transcoded_audio INTEGER NOT NULL,
  transcoded_image INTEGER NOT NULL,
  image_0_199 INTEGER NOT NULL,
  image_200_399 INTEGER NOT NULL,
  image_400_599 INTEGER NOT NULL,
  image_600_799 INTEGER NOT NULL,
  image_800_999 INTEGER NOT NULL,
  image_1000 INTEGER NOT NULL,
  transcoded_movie INTEGER NOT NULL,
  movie_0_239 INTEGER NOT NULL,
  movie_240_479 INTEGER NOT NULL,
  movie_480 INTEGER NOT NULL,
  referer_internal INTEGER NOT NULL,
  referer_external INTEGER NOT NULL,
  referer_unknown INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS mediacounts_daily_ts ON mediacounts_daily (ts);
CREATE TABLE IF NOT EXISTS mediacounts_top_daily (
  ts TEXT NOT NULL,
  rank_no INTEGER NOT NULL,
  base_name TEXT NOT NULL,
  transfers INTEGER NOT NULL,
  response_bytes INTEGER NOT NULL,
  PRIMARY KEY (ts, rank_no)
) WITHOUT ROWID;

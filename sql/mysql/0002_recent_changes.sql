-- MariaDB and MySQL.
-- Every statement can be run twice. Times are UTC.

-- One row an event of the stream: every field of mediawiki/recentchange, null where the event has none, and the event
-- as it came. `ts` is meta.dt. Rows lie in the order of their times, so that new ones are added at the end; ids are random,
-- and in their order each row would go to a page of its own.
CREATE TABLE IF NOT EXISTS recent_changes (
  event_id VARCHAR(64) NOT NULL,
  ts DATETIME(6) NOT NULL,
  type VARCHAR(128),
  wiki VARCHAR(128),
  bot BOOLEAN,
  minor BOOLEAN,
  patrolled BOOLEAN,
  namespace BIGINT,
  title MEDIUMTEXT,
  title_url MEDIUMTEXT,
  user_name MEDIUMTEXT,
  comment MEDIUMTEXT,
  parsedcomment MEDIUMTEXT,
  rc_id BIGINT,
  rc_timestamp BIGINT,
  length_old BIGINT,
  length_new BIGINT,
  revision_old BIGINT,
  revision_new BIGINT,
  notify_url MEDIUMTEXT,
  log_id BIGINT,
  log_type MEDIUMTEXT,
  log_action MEDIUMTEXT,
  log_action_comment MEDIUMTEXT,
  log_params MEDIUMTEXT,
  server_url MEDIUMTEXT,
  server_name MEDIUMTEXT,
  server_script_path MEDIUMTEXT,
  schema_uri MEDIUMTEXT,
  meta_uri MEDIUMTEXT,
  meta_request_id MEDIUMTEXT,
  meta_domain MEDIUMTEXT,
  meta_stream MEDIUMTEXT,
  meta_topic MEDIUMTEXT,
  meta_partition BIGINT,
  meta_offset BIGINT,
  raw MEDIUMTEXT NOT NULL,
  PRIMARY KEY (ts, event_id),
  UNIQUE KEY recent_changes_event_id (event_id)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
CREATE TABLE IF NOT EXISTS recent_changes_minute (
  ts DATETIME NOT NULL,
  wiki VARCHAR(128) NOT NULL,
  type VARCHAR(128) NOT NULL,
  events BIGINT NOT NULL,
  bots BIGINT NOT NULL,
  bytes_changed BIGINT NOT NULL,
  PRIMARY KEY (ts, wiki, type)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Where a stream stands: written in the transaction that writes the rows it covers.
CREATE TABLE IF NOT EXISTS stream_checkpoint (
  stream VARCHAR(64) NOT NULL,
  position MEDIUMTEXT NOT NULL,
  newest DATETIME(6),
  events BIGINT NOT NULL,
  gap_seconds BIGINT NOT NULL,
  version BIGINT NOT NULL,
  updated_at DATETIME(6) NOT NULL,
  PRIMARY KEY (stream)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

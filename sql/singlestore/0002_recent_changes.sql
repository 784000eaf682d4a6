-- SingleStore. Not run in our tests, which have no such server: what differs from ../mysql is kept to the
-- keys and the collations.
-- Every statement can be run twice. Times are UTC.

-- One row an event of the stream: every field of mediawiki/recentchange, null where the event has none, and the event
-- as it came. `ts` is meta.dt.
CREATE TABLE IF NOT EXISTS recent_changes (
  event_id VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  ts DATETIME(6) NOT NULL,
  type VARCHAR(128) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
  wiki VARCHAR(128) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
  bot BOOLEAN,
  minor BOOLEAN,
  patrolled BOOLEAN,
  namespace BIGINT,
  title MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
  title_url MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
  user_name MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
  comment MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
  parsedcomment MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
  rc_id BIGINT,
  rc_timestamp BIGINT,
  length_old BIGINT,
  length_new BIGINT,
  revision_old BIGINT,
  revision_new BIGINT,
  notify_url MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
  log_id BIGINT,
  log_type MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
  log_action MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
  log_action_comment MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
  log_params MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
  server_url MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
  server_name MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
  server_script_path MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
  schema_uri MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
  meta_uri MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
  meta_request_id MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
  meta_domain MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
  meta_stream MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
  meta_topic MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
  meta_partition BIGINT,
  meta_offset BIGINT,
  raw MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  PRIMARY KEY (event_id), SORT KEY (ts)
);
CREATE TABLE IF NOT EXISTS recent_changes_minute (
  ts DATETIME NOT NULL,
  wiki VARCHAR(128) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  type VARCHAR(128) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  events BIGINT NOT NULL,
  bots BIGINT NOT NULL,
  bytes_changed BIGINT NOT NULL,
  PRIMARY KEY (ts, wiki, type), SORT KEY (ts)
);

-- Where a stream stands: written in the transaction that writes the rows it covers.
CREATE ROWSTORE TABLE IF NOT EXISTS stream_checkpoint (
  stream VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  position MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  newest DATETIME(6),
  events BIGINT NOT NULL,
  gap_seconds BIGINT NOT NULL,
  version BIGINT NOT NULL,
  updated_at DATETIME(6) NOT NULL,
  PRIMARY KEY (stream)
);

-- Embedded, for one machine. Times are text, `YYYY-MM-DD HH:MM:SS` with a fraction where it matters, UTC.
-- Every statement can be run twice.

-- One row an event of the stream: every field of mediawiki/recentchange, null where the event has none, and the event
-- as it came. `ts` is meta.dt.
CREATE TABLE IF NOT EXISTS recent_changes (
  event_id TEXT NOT NULL,
  ts TEXT NOT NULL,
  type TEXT,
  wiki TEXT,
  bot INTEGER,
  minor INTEGER,
  patrolled INTEGER,
  namespace INTEGER,
  title TEXT,
  title_url TEXT,
  user_name TEXT,
  comment TEXT,
  parsedcomment TEXT,
  rc_id INTEGER,
  rc_timestamp INTEGER,
  length_old INTEGER,
  length_new INTEGER,
  revision_old INTEGER,
  revision_new INTEGER,
  notify_url TEXT,
  log_id INTEGER,
  log_type TEXT,
  log_action TEXT,
  log_action_comment TEXT,
  log_params TEXT,
  server_url TEXT,
  server_name TEXT,
  server_script_path TEXT,
  schema_uri TEXT,
  meta_uri TEXT,
  meta_request_id TEXT,
  meta_domain TEXT,
  meta_stream TEXT,
  meta_topic TEXT,
  meta_partition INTEGER,
  meta_offset INTEGER,
  raw TEXT NOT NULL,
  PRIMARY KEY (event_id)
);
CREATE INDEX IF NOT EXISTS recent_changes_ts ON recent_changes (ts);
CREATE TABLE IF NOT EXISTS recent_changes_minute (
  ts TEXT NOT NULL,
  wiki TEXT NOT NULL,
  type TEXT NOT NULL,
  events INTEGER NOT NULL,
  bots INTEGER NOT NULL,
  bytes_changed INTEGER NOT NULL,
  PRIMARY KEY (ts, wiki, type)
) WITHOUT ROWID;

-- Where a stream stands: written in the transaction that writes the rows it covers.
CREATE TABLE IF NOT EXISTS stream_checkpoint (
  stream TEXT NOT NULL,
  position TEXT NOT NULL,
  newest TEXT,
  events INTEGER NOT NULL,
  gap_seconds INTEGER NOT NULL,
  version INTEGER NOT NULL,
  updated_at TEXT NOT NULL,
  PRIMARY KEY (stream)
) WITHOUT ROWID;

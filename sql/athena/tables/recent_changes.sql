-- One row an event of the stream of recent changes. For a lake with older ones, put their first day into projection.dt.range.
CREATE EXTERNAL TABLE IF NOT EXISTS `{{database}}`.`recent_changes` (
  `event_id`           string,
  `ts`                 timestamp,
  `type`               string,
  `wiki`               string,
  `bot`                boolean,
  `minor`              boolean,
  `patrolled`          boolean,
  `namespace`          bigint,
  `title`              string,
  `title_url`          string,
  `user_name`          string,
  `comment`            string,
  `parsedcomment`      string,
  `rc_id`              bigint,
  `rc_timestamp`       bigint,
  `length_old`         bigint,
  `length_new`         bigint,
  `revision_old`       bigint,
  `revision_new`       bigint,
  `notify_url`         string,
  `log_id`             bigint,
  `log_type`           string,
  `log_action`         string,
  `log_action_comment` string,
  `log_params`         string,
  `server_url`         string,
  `server_name`        string,
  `server_script_path` string,
  `schema_uri`         string,
  `meta_uri`           string,
  `meta_request_id`    string,
  `meta_domain`        string,
  `meta_stream`        string,
  `meta_topic`         string,
  `meta_partition`     bigint,
  `meta_offset`        bigint,
  `raw`                string
)
PARTITIONED BY (`dt` string)
STORED AS PARQUET
LOCATION '{{location}}/recent_changes/'
TBLPROPERTIES (
  'projection.enabled' = 'true',
  'projection.dt.type' = 'date',
  'projection.dt.format' = 'yyyy-MM-dd',
  'projection.dt.range' = '2025-01-01,NOW',
  'projection.dt.interval' = '1',
  'projection.dt.interval.unit' = 'DAYS',
  'storage.location.template' = '{{location}}/recent_changes/dt=${dt}/'
);

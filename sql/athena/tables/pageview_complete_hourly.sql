-- Page views by hour, page, access method and kind of reader, since December 2011, in files of a day.
CREATE EXTERNAL TABLE IF NOT EXISTS `{{database}}`.`pageview_complete_hourly` (
  `ts`      timestamp,
  `agent`   string,
  `project` string,
  `access`  string,
  `page_id` bigint,
  `title`   string,
  `views`   bigint
)
PARTITIONED BY (`dt` string)
STORED AS PARQUET
LOCATION '{{location}}/pageview_complete_hourly/'
TBLPROPERTIES (
  'projection.enabled' = 'true',
  'projection.dt.type' = 'date',
  'projection.dt.format' = 'yyyy-MM-dd',
  'projection.dt.range' = '2011-12-01,NOW',
  'projection.dt.interval' = '1',
  'projection.dt.interval.unit' = 'DAYS',
  'storage.location.template' = '{{location}}/pageview_complete_hourly/dt=${dt}/'
);

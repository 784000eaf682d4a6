-- Page views by hour, page and access method, since May 2015. `ts` is the start of the hour.
CREATE EXTERNAL TABLE IF NOT EXISTS `{{database}}`.`pageviews_hourly` (
  `ts`          timestamp,
  `domain_code` string,
  `project`     string,
  `access`      string,
  `title`       string,
  `views`       bigint
)
PARTITIONED BY (`dt` string)
STORED AS PARQUET
LOCATION '{{location}}/pageviews_hourly/'
TBLPROPERTIES (
  'projection.enabled' = 'true',
  'projection.dt.type' = 'date',
  'projection.dt.format' = 'yyyy-MM-dd',
  'projection.dt.range' = '2015-05-01,NOW',
  'projection.dt.interval' = '1',
  'projection.dt.interval.unit' = 'DAYS',
  'storage.location.template' = '{{location}}/pageviews_hourly/dt=${dt}/'
);

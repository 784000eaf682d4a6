-- Requests by hour and page, from December 2007 to August 2016. `is_broken`: the title is not UTF-8 and was mended.
CREATE EXTERNAL TABLE IF NOT EXISTS `{{database}}`.`pagecounts_hourly` (
  `ts`          timestamp,
  `domain_code` string,
  `project`     string,
  `access`      string,
  `title`       string,
  `views`       bigint,
  `bytes`       bigint,
  `is_broken`   boolean
)
PARTITIONED BY (`dt` string)
STORED AS PARQUET
LOCATION '{{location}}/pagecounts_hourly/'
TBLPROPERTIES (
  'projection.enabled' = 'true',
  'projection.dt.type' = 'date',
  'projection.dt.format' = 'yyyy-MM-dd',
  'projection.dt.range' = '2007-12-01,2016-08-31',
  'projection.dt.interval' = '1',
  'projection.dt.interval.unit' = 'DAYS',
  'storage.location.template' = '{{location}}/pagecounts_hourly/dt=${dt}/'
);

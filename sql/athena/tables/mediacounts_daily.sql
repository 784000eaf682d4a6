-- Requests of media files by day, since January 2015. `ts` is the start of the day.
CREATE EXTERNAL TABLE IF NOT EXISTS `{{database}}`.`mediacounts_daily` (
  `ts`               timestamp,
  `base_name`        string,
  `project`          string,
  `file`             string,
  `response_bytes`   bigint,
  `transfers`        bigint,
  `original`         bigint,
  `transcoded_audio` bigint,
  `transcoded_image` bigint,
  `image_0_199`      bigint,
  `image_200_399`    bigint,
  `image_400_599`    bigint,
  `image_600_799`    bigint,
  `image_800_999`    bigint,
  `image_1000`       bigint,
  `transcoded_movie` bigint,
  `movie_0_239`      bigint,
  `movie_240_479`    bigint,
  `movie_480`        bigint,
  `referer_internal` bigint,
  `referer_external` bigint,
  `referer_unknown`  bigint
)
PARTITIONED BY (`dt` string)
STORED AS PARQUET
LOCATION '{{location}}/mediacounts_daily/'
TBLPROPERTIES (
  'projection.enabled' = 'true',
  'projection.dt.type' = 'date',
  'projection.dt.format' = 'yyyy-MM-dd',
  'projection.dt.range' = '2015-01-01,NOW',
  'projection.dt.interval' = '1',
  'projection.dt.interval.unit' = 'DAYS',
  'storage.location.template' = '{{location}}/mediacounts_daily/dt=${dt}/'
);

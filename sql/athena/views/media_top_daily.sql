-- Media: the hundred most transferred files of each day.
CREATE OR REPLACE VIEW "{{database}}"."media_top_daily" AS
SELECT dt, base_name, project, file, transfers, response_bytes, place
FROM (
  SELECT dt, base_name, project, file, transfers, response_bytes,
    ROW_NUMBER() OVER (PARTITION BY dt ORDER BY transfers DESC, base_name) AS place
  FROM "{{database}}"."mediacounts_daily"
)
WHERE place <= 100;

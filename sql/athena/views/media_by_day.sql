-- Media: transfers and bytes by day, by where readers came from, and transcodings.
CREATE OR REPLACE VIEW "{{database}}"."media_by_day" AS
SELECT dt, COUNT(*) AS files, SUM(transfers) AS transfers, SUM(response_bytes) AS response_bytes,
  SUM(referer_internal) AS referer_internal, SUM(referer_external) AS referer_external,
  SUM(referer_unknown) AS referer_unknown, SUM(original) AS original,
  SUM(transcoded_image) AS transcoded_image, SUM(transcoded_audio) AS transcoded_audio,
  SUM(transcoded_movie) AS transcoded_movie
FROM "{{database}}"."mediacounts_daily"
GROUP BY dt;

-- Editors: changes by minute, wiki and type; those of bots; by how many bytes pages grew.
CREATE OR REPLACE VIEW "{{database}}"."editors_by_minute" AS
SELECT dt, DATE_TRUNC('minute', ts) AS ts, COALESCE(wiki, '') AS wiki, COALESCE(type, '') AS type,
  COUNT(*) AS events, COUNT_IF(bot) AS bots,
  SUM(COALESCE(length_new - COALESCE(length_old, 0), 0)) AS bytes_changed
FROM "{{database}}"."recent_changes"
GROUP BY dt, DATE_TRUNC('minute', ts), COALESCE(wiki, ''), COALESCE(type, '');

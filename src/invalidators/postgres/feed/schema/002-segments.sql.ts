/**
 * Migration 2: values as parts of path segments, exactly as core/segment.ts writes them.
 *
 * A test compares the two on the real server, with thousands of texts. JavaScript counts UTF-16 units
 * where PostgreSQL counts characters: those beyond U+FFFF count twice here as well.
 */
import type { SchemaName } from './quoting.js'

export const segmentsSql = (schema: SchemaName): string => `
-- In PL/pgSQL, whose simple expressions cost little. What is too long for any key is not looked at to its end.
-- Escapes are made of "%" and lower-case hexadecimal digits, none of which is escaped after "%" was.
CREATE FUNCTION ${schema.of('encode_unusual')}(value text, plain text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $unusual$
DECLARE
  encoded text COLLATE "C" := left(value, 3001);
  strange text COLLATE "C" := translate(encoded, plain, '');
  units integer := length(encoded);
  c text COLLATE "C";
BEGIN
  IF encoded = '' THEN RETURN '~e'; END IF;
  -- As JavaScript counts; a character of four bytes is two units.
  IF units BETWEEN 51 AND 100 AND strange <> '' THEN
    units := units + (SELECT count(*) FROM string_to_table(strange, NULL) AS characters(one) WHERE octet_length(one) = 4);
  END IF;
  IF strpos(strange, '%') > 0 THEN
    encoded := replace(encoded, '%', '%25');
    strange := replace(strange, '%', '');
  END IF;
  WHILE strange <> '' LOOP
    c := left(strange, 1);
    encoded := replace(encoded, c, regexp_replace(encode(convert_to(c, 'UTF8'), 'hex'), '(..)', '%\\1', 'g'));
    strange := replace(strange, c, '');
  END LOOP;
  IF units > 100 THEN RETURN replace(encoded, '.', '%2e'); END IF;
  IF left(encoded, 1) = '.' THEN RETURN '%2e' || substr(encoded, 2); END IF;
  RETURN encoded;
END $unusual$;

-- How "value" is written into a segment. "plain" are the characters that stand for themselves;
-- "usual" is an expression that matches what consists of these and does not start with a dot.
-- Neither function sets its search_path, so that the first can be inlined: triggers have a fixed one.
CREATE FUNCTION ${schema.of('encode_value')}(value text, usual text, plain text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $encode$
  SELECT CASE
    WHEN value COLLATE "C" ~ usual AND (length(value) <= 100 OR strpos(value COLLATE "C", '.') = 0) THEN value
    ELSE ${schema.of('encode_unusual')}(value, plain)
  END
$encode$;

-- A segment of over 200 characters in pieces that end in "~"; no piece begins with a dot. Patterns are not cut.
CREATE FUNCTION ${schema.of('cut_segment')}(segment text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $cut$
DECLARE
  rest text COLLATE "C" := segment;
  pieces text COLLATE "C" := '';
  stop integer;
BEGIN
  IF length(rest) <= 200 OR strpos(rest, '*') > 0 THEN RETURN segment; END IF;
  WHILE length(rest) > 200 LOOP
    stop := 200;
    WHILE substr(rest, stop + 1, 1) = '.' AND stop > 1 LOOP stop := stop - 1; END LOOP;
    pieces := pieces || left(rest, stop) || '~/';
    rest := substr(rest, stop + 1);
  END LOOP;
  RETURN pieces || rest;
END $cut$;

-- The year, month or day (1, 2, 3) of what begins as a day does; NULL when it has none.
CREATE FUNCTION ${schema.of('day_part')}(value text, part integer) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $day$
  SELECT CASE WHEN left(value, 10) COLLATE "C" ~ '^[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?$'
              THEN nullif(split_part(left(value, 10) COLLATE "C", '-', part), '') END
$day$;

-- A table with all its partitions or heirs: a statement that names one of these fires its triggers only.
CREATE FUNCTION ${schema.of('parts_of')}(target regclass) RETURNS SETOF regclass
LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $parts$
  WITH RECURSIVE tree AS (
    SELECT target::oid AS oid UNION SELECT i.inhrelid FROM pg_inherits AS i JOIN tree ON i.inhparent = tree.oid)
  SELECT c.oid::regclass FROM tree JOIN pg_class AS c ON c.oid = tree.oid
   WHERE c.relkind IN ('r', 'p') ORDER BY c.oid = target DESC, c.oid
$parts$;

REVOKE ALL ON FUNCTION ${[
  'encode_unusual(text, text)',
  'encode_value(text, text, text)',
  'cut_segment(text)',
  'day_part(text, integer)',
  'parts_of(regclass)',
]
  .map((signature) => `${schema.sql}.${signature}`)
  .join(', ')} FROM PUBLIC;
`

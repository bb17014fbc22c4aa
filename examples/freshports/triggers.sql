-- What a change makes old, queued in the same transaction as the change, and announced.
--
-- A NOTIFY is delivered at commit and is only a wake-up: the queue holds what is to be done, so a
-- listener that was away finds it later. NOTIFY of the same channel twice in a transaction is one.

CREATE FUNCTION queue_port(id_of_port integer, id_of_category integer, name_of_port text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO cache_clearing_ports (port_id, category, port)
  SELECT id_of_port, name, name_of_port FROM categories WHERE id = id_of_category
  ON CONFLICT (category, port) DO NOTHING;
  -- Always, also when the row was there: its own NOTIFY may have been missed.
  NOTIFY port_updated;
END $$;

-- The day in UTC whatever the session's TimeZone: the page of the day is made by the same rule.
CREATE FUNCTION queue_day(moment timestamptz) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO cache_clearing_dates (date_to_clear) VALUES ((moment AT TIME ZONE 'UTC')::date);
  NOTIFY date_updated;
END $$;

-- A port: its pages and its category's. Where it was and where it is now: a port that moves makes both old,
-- and the days of its commits, whose pages name it by category.
CREATE FUNCTION ports_clear_cache() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP <> 'INSERT' THEN PERFORM queue_port(OLD.id, OLD.category_id, OLD.name); END IF;
  IF TG_OP <> 'DELETE' THEN PERFORM queue_port(NEW.id, NEW.category_id, NEW.name); END IF;
  IF TG_OP = 'UPDATE' AND (OLD.category_id, OLD.name) IS DISTINCT FROM (NEW.category_id, NEW.name) THEN
    PERFORM queue_day(commit_date)
       FROM commit_log JOIN commit_log_ports ON commit_log_id = commit_log.id WHERE port_id = NEW.id;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER ports_clear_cache AFTER INSERT OR UPDATE OR DELETE ON ports
  FOR EACH ROW EXECUTE FUNCTION ports_clear_cache();

-- A commit: the day it was made on, the day it is moved to, and the ports whose history shows it.
CREATE FUNCTION commit_log_clear_cache() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP <> 'INSERT' THEN PERFORM queue_day(OLD.commit_date); END IF;
  IF TG_OP <> 'DELETE' THEN PERFORM queue_day(NEW.commit_date); END IF;
  IF TG_OP = 'UPDATE' THEN
    PERFORM queue_port(id, category_id, name)
       FROM ports JOIN commit_log_ports ON port_id = ports.id WHERE commit_log_id = NEW.id;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER commit_log_clear_cache AFTER INSERT OR UPDATE OR DELETE ON commit_log
  FOR EACH ROW EXECUTE FUNCTION commit_log_clear_cache();

-- A port of a commit: the port, and the day of the commit. What was deleted with the commit or the port
-- is not found here any more; their own triggers have queued it.
CREATE FUNCTION commit_log_ports_clear_cache() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM queue_port(id, category_id, name) FROM ports WHERE id IN (OLD.port_id, NEW.port_id);
  PERFORM queue_day(commit_date) FROM commit_log WHERE id IN (OLD.commit_log_id, NEW.commit_log_id);
  RETURN NULL;
END $$;
CREATE TRIGGER commit_log_ports_clear_cache AFTER INSERT OR UPDATE OR DELETE ON commit_log_ports
  FOR EACH ROW EXECUTE FUNCTION commit_log_ports_clear_cache();

-- A category: the home page lists it. When one is renamed, its ports have been elsewhere as well.
CREATE FUNCTION categories_clear_cache() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' THEN
    INSERT INTO cache_clearing_ports (port_id, category, port)
    SELECT ports.id, names.category, ports.name
      FROM ports CROSS JOIN (VALUES (OLD.name), (NEW.name)) AS names(category) WHERE category_id = NEW.id
    ON CONFLICT (category, port) DO NOTHING;
    PERFORM queue_day(commit_date)
       FROM commit_log JOIN commit_log_ports ON commit_log_id = commit_log.id JOIN ports ON ports.id = port_id
      WHERE category_id = NEW.id;
    NOTIFY port_updated;
  END IF;
  NOTIFY category_new;
  RETURN NULL;
END $$;
CREATE TRIGGER categories_clear_cache AFTER INSERT OR UPDATE OR DELETE ON categories
  FOR EACH ROW EXECUTE FUNCTION categories_clear_cache();

-- MOVED, UPDATING, VuXML: nothing is queued. The news is all there is to clear, and the invalidator
-- clears it anyway whenever it connects, so a NOTIFY that nobody heard does no harm.
CREATE FUNCTION news_clear_cache() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP <> 'INSERT' THEN PERFORM pg_notify(OLD.kind, ''); END IF;
  IF TG_OP <> 'DELETE' THEN PERFORM pg_notify(NEW.kind, ''); END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER news_clear_cache AFTER INSERT OR UPDATE OR DELETE ON news
  FOR EACH ROW EXECUTE FUNCTION news_clear_cache();

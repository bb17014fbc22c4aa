/**
 * A small site's database, in the shape of FreshPorts': channels in `listen_for`, queue tables that
 * triggers fill, one of which de-duplicates and notifies only for what is new.
 */
import { route } from 'pagekeep'
import { rule } from 'pagekeep/invalidators/postgres'

export const portPage = route('ports/{category}/{name}/index.html')
export const categoryPage = route('categories/{category}.html')
export const news = route('news/{page}.html')
export const day = route('daily/{date:YYYY/MM/DD}.daily.{branch}')

export const schema = `
  CREATE TABLE listen_for (id serial PRIMARY KEY, name text UNIQUE, script_name text);
  INSERT INTO listen_for (name, script_name) VALUES
    ('port_updated', 'listen_port'), ('date_updated', 'listen_date_updated'), ('vuxml', 'listen_vuxml');
  CREATE TABLE cache_clearing_ports (
    id serial PRIMARY KEY, port_id integer, category text NOT NULL, port text NOT NULL,
    date_added timestamp DEFAULT now() NOT NULL, UNIQUE (category, port));
  CREATE TABLE cache_clearing_dates (id serial NOT NULL, date_to_clear date, date_added timestamp DEFAULT now());
  CREATE TABLE ports (id serial PRIMARY KEY, category text, name text, version integer);
  CREATE FUNCTION ports_clear_cache() RETURNS trigger LANGUAGE plpgsql AS $$
  DECLARE added integer;
  BEGIN
    INSERT INTO cache_clearing_ports (port_id, category, port) VALUES (NEW.id, NEW.category, NEW.name)
      ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS added = ROW_COUNT;
    IF added > 0 THEN NOTIFY port_updated; END IF;
    RETURN NEW;
  END $$;
  CREATE TRIGGER ports_clear_cache AFTER UPDATE ON ports FOR EACH ROW EXECUTE FUNCTION ports_clear_cache();
`

export const portRule = rule({
  channel: 'port_updated',
  queue: { table: 'cache_clearing_ports', columns: ['category', 'port'] },
  evict: (row) => [
    portPage.pattern({ category: row.category, name: row.port }),
    categoryPage.pattern({ category: row.category }),
    news.pattern(),
  ],
})

export const dateRule = rule({
  channel: 'date_updated',
  queue: { table: 'cache_clearing_dates', columns: ['date_to_clear'] },
  evict: (row) => day.pattern({ date: row.date_to_clear }),
})

export const vuxmlRule = rule({ channel: 'vuxml', evict: () => news.pattern() })

export const rules = [portRule, dateRule, vuxmlRule]

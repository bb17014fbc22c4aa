-- The tables of the example: a small FreshPorts, with its queues as the real one had them in 2020.
--
-- What the site shows comes first, what tells the cache about changes second. The triggers that fill
-- the queues are in triggers.sql, created after the first data: loading it is no change to announce.

CREATE TABLE categories (
  id          serial PRIMARY KEY,
  -- Names are parts of addresses; what may stand in one is said here, once for everybody.
  name        text NOT NULL UNIQUE CHECK (name ~ '^[A-Za-z0-9][A-Za-z0-9._+-]{0,99}$'),
  description text NOT NULL
);

CREATE TABLE ports (
  id                serial PRIMARY KEY,
  category_id       integer NOT NULL REFERENCES categories,
  name              text NOT NULL CHECK (name ~ '^[A-Za-z0-9][A-Za-z0-9._+-]{0,99}$'),
  version           text NOT NULL,
  -- PORTREVISION: the same version of the program, packaged anew. Shown as 2.24.1_3.
  revision          integer NOT NULL DEFAULT 0,
  short_description text NOT NULL,
  maintainer        text NOT NULL,
  UNIQUE (category_id, name)
);

CREATE TABLE commit_log (
  id          serial PRIMARY KEY,
  message_id  text NOT NULL UNIQUE,
  -- An instant. Which day it belongs to depends on a time zone: the site and the triggers both say UTC.
  commit_date timestamptz NOT NULL,
  branch      text NOT NULL DEFAULT 'head' CHECK (branch ~ '^(head|[0-9]{4}Q[1-4])$'),
  committer   text NOT NULL,
  description text NOT NULL
);
CREATE INDEX commit_log_commit_date ON commit_log (commit_date);

CREATE TABLE commit_log_ports (
  commit_log_id integer NOT NULL REFERENCES commit_log ON DELETE CASCADE,
  port_id       integer NOT NULL REFERENCES ports ON DELETE CASCADE,
  port_version  text NOT NULL,
  PRIMARY KEY (commit_log_id, port_id)
);
CREATE INDEX commit_log_ports_port_id ON commit_log_ports (port_id);

-- Entries of the files MOVED and UPDATING and of the VuXML document. The channel that announces an
-- entry is its kind.
CREATE TABLE news (
  id        serial PRIMARY KEY,
  kind      text NOT NULL CHECK (kind IN ('ports_moved', 'ports_updating', 'vuxml')),
  title     text NOT NULL,
  posted_at timestamptz NOT NULL DEFAULT now()
);

-- Which channels there are. script_name named the handler of the old listener; here the rules do that,
-- and the invalidator refuses to start when a row and the rules disagree.
CREATE TABLE listen_for (
  id          serial PRIMARY KEY,
  name        text NOT NULL UNIQUE,
  script_name text NOT NULL
);
INSERT INTO listen_for (name, script_name) VALUES
  ('port_updated',   'listen_port'),
  ('ports_moved',    'listen_ports_moved'),
  ('ports_updating', 'listen_ports_updating'),
  ('vuxml',          'listen_vuxml'),
  ('category_new',   'listen_category_new'),
  ('date_updated',   'listen_date_updated');

-- Ports whose pages are old. UNIQUE with ON CONFLICT DO NOTHING is how the real site keeps this queue
-- short. With a plain listener that loses changes: a writer finds the row queued and adds none, the
-- listener clears and deletes it, a visitor has the old page kept again, and only then the writer
-- commits. The invalidator is safe with it: it clears again when such writers have ended.
-- No foreign key to ports: the pages of a deleted port must go as well, so its row must stay.
CREATE TABLE cache_clearing_ports (
  id         serial PRIMARY KEY,
  port_id    integer NOT NULL,
  category   text NOT NULL,
  port       text NOT NULL,
  date_added timestamptz NOT NULL DEFAULT now(),
  UNIQUE (category, port)
);

-- Days whose pages are old. Not UNIQUE: a day may be queued often, and clearing it twice is harmless.
CREATE TABLE cache_clearing_dates (
  id            serial PRIMARY KEY,
  date_to_clear date NOT NULL,
  date_added    timestamptz NOT NULL DEFAULT now()
);

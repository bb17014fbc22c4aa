/**
 * What our texts take as given: names that a reader knows from the page before, and tables that a site has.
 * A block gets the lines whose names it uses and does not declare itself.
 */
import path from 'node:path'

const support = JSON.stringify(path.resolve(import.meta.dirname, '../support/postgres.js'))

/** One declaration or import a line, each after what it needs. */
export const prelude = `
import { createServer as __createServer } from 'node:http'
import { connect as __connect } from ${support}
import express from 'express'
import Keyv from 'keyv'
import pg from 'pg'
import { createCache, route, parseSelector, systemClock, isPagekeepError } from 'pagekeep'
import { DiskStore } from 'pagekeep/stores/disk'
import { MemoryStore } from 'pagekeep/stores/memory'
import { KeyvStore, asKeyv } from 'pagekeep/stores/keyv'
import { PostgresInvalidator, rule, runUntilSignal } from 'pagekeep/invalidators/postgres'
import { bridge, diagnose, evictRoute, evictTag, FeedInvalidator, FeedSchema, watch } from 'pagekeep/invalidators/postgres'
import { both, CdnTarget, createMiddleware, createProxy, createWebHandler, HttpCache, pageContext, varnishXkey, variantsToo } from 'pagekeep/http'
import { createMetrics, observe } from 'pagekeep/metrics'
import { FakeClock, ChaosStore, storeContract } from 'pagekeep/testing'
const describe = (title: string, body: () => void) => body()
const it = () => undefined
const runStoreProcess = () => undefined
const createServer = (handle: Parameters<typeof __createServer>[1]) => ({ listen: () => void __createServer(handle) })
const app = express()
const connection = process.env.DATABASE_URL ?? 'postgres://localhost/site'
const client = await __connect(connection)
const day = route('daily/{date:YYYY/MM/DD}.daily.{branch}')
const cache = createCache({ store: new MemoryStore() })
const rules = [rule({ channel: 'date_updated', queue: { table: 'cache_clearing_dates', columns: ['date_to_clear'] }, evict: (row) => day.pattern({ date: row.date_to_clear }) })]
`

/** What each text's database holds: a shop's table, and queue tables as a site that comes from scripts has them. */
export const tables = `
  CREATE TABLE products (
    id int PRIMARY KEY GENERATED ALWAYS AS IDENTITY, category text NOT NULL, name text NOT NULL, price int NOT NULL);
  INSERT INTO products (category, name, price) VALUES ('drinks', 'tea', 4), ('drinks', 'coffee', 6), ('food', 'bread', 3);
  CREATE TABLE commits (id int PRIMARY KEY GENERATED ALWAYS AS IDENTITY, day date, branch text, message text);
  CREATE TABLE listen_for (id serial PRIMARY KEY, name text UNIQUE, script_name text);
  INSERT INTO listen_for (name) VALUES ('date_updated');
  CREATE TABLE cache_clearing_dates (id serial PRIMARY KEY, date_to_clear date, date_added timestamptz DEFAULT now());
`

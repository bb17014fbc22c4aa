/**
 * Every metric that pagekeep exports: its name, what it means, its labels. Names follow Prometheus' conventions
 * (base units, `_total` for counters); the dashboard and alerts in examples/grafana are checked against this.
 *
 * What a label may be is bounded: outcomes, codes and whys by the program, rules and queues by the site's own.
 */
import { Histogram, type MetricType, Numbers } from './metric.js'

const numbers = (type: MetricType, name: string, help: string, ...labels: string[]) =>
  new Numbers({ name: `pagekeep_${name}`, type, help, labels })

const counter = (name: string, help: string, ...labels: string[]) => numbers('counter', name, help, ...labels)
const gauge = (name: string, help: string, ...labels: string[]) => numbers('gauge', name, help, ...labels)

/** Upper ends of the buckets of render times, in seconds. */
export const renderBounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

/** A new set, all at zero or not known. */
export function createMetrics() {
  return {
    hits: counter('hits_total', 'Kept pages that were served.'),
    misses: counter('misses_total', 'Times that there was no page to serve; a render, or a wait for one, followed.'),
    renders: counter('renders_total', 'Renders that ended, by outcome: kept, doomed, unkept, failed.', 'outcome'),
    inFlight: gauge('renders_in_flight', 'Renders under way in this process.'),
    duration: new Histogram(
      {
        name: 'pagekeep_render_duration_seconds',
        type: 'histogram',
        help: 'How long renders took, the keeping of the page included.',
        labels: [],
      },
      renderBounds,
    ),
    kept: counter('kept_total', 'Pages that were kept.'),
    doomed: counter('doomed_total', 'Rendered pages that were answered and not kept, for an eviction came meanwhile.'),
    shownEvicted: counter('shown_evicted_total', 'Evicted pages that were shown while a new one was rendered.'),
    evictions: counter('evictions_total', 'Evictions that this process did, by why; call: asked for directly.', 'why'),
    removed: counter('removed_pages_total', 'Pages that evictions of this process removed, by why.', 'why'),
    doomedByEviction: counter('doomed_renders_total', 'Renders in flight that evictions of this process doomed.'),
    ruleEvictions: counter('rule_evictions_total', 'Evictions that a rule had a part in.', 'rule'),
    ruleRemoved: counter('rule_removed_pages_total', 'Pages removed by evictions that a rule had a part in.', 'rule'),
    emptied: counter(
      'emptied_total',
      'Times that everything was evicted, since the feed could not be believed.',
      'reason',
    ),
    staleFound: counter('stale_found_total', 'Stale pages that verify() found. Anything above zero is a fault.'),
    errors: counter('errors_total', 'Faults, by who told of them and by code (docs/errors.md).', 'source', 'code'),
    lag: gauge('lag_seconds', 'How far back the moment is up to which every committed change is evicted.'),
    signOfLife: gauge('sign_of_life_timestamp_seconds', 'That moment, since 1970; 0 when none was ever told.'),
    blind: gauge('blind', '1 while pages are rendered through, since the invalidator was not heard for maxLagMs.'),
    blindSeconds: counter('blind_seconds_total', 'How long the cache was blind, in all.'),
    up: gauge('invalidator_up', '1 while the invalidator of this process listens, catches up or stands by.'),
    state: gauge('invalidator_state', '1 for the state that the invalidator of this process is in.', 'state'),
    connections: counter('invalidator_connections_total', 'Connections that the invalidator made.'),
    disconnects: counter('invalidator_disconnects_total', 'Connections, and attempts to make one, that were lost.'),
    heard: gauge('invalidator_heard_timestamp_seconds', 'When the invalidator last heard from its server, since 1970.'),
    backlog: gauge('backlog_rows', 'Rows that waited in a queue at the last sweep.', 'queue'),
    setAside: gauge('set_aside_rows', 'Rows of a queue that cannot be applied and are tried again.', 'queue'),
    owed: gauge('owed_selectors', 'Selectors that could not be evicted and are tried again.'),
    secondLook: gauge('second_look_selectors', 'Selectors that are to be evicted a second time.'),
    storeBytes: gauge('store_bytes', 'Bytes that kept pages take, where the store can tell.'),
    storePages: gauge('store_pages', 'Pages that are kept, where the store can tell.'),
  }
}

export type Metrics = ReturnType<typeof createMetrics>

/**
 * web/: what administrators and their tools ask over HTTP: alive, ready, numbers.
 *
 * In: GET of /health (the process runs), /ready (a quorum of the store answers, this replica may write and does not
 * leave: 200, else 503), /metrics. Out: plain text. Numbers are asked of their owners when somebody reads them; what is
 * counted here are the requests to the store, by wrapping it.
 *
 * Invariants: nothing depends on this port; no mail, no address of a person and no secret goes out; an answer costs at
 * most one LIST a second. Standards: HTTP/1.1 (RFC 9112), Prometheus text format 0.0.4.
 *
 * Failures: Refused when the port can't be had. A store that is away is an answer (503), not an error.
 */
export { Histogram, by, counter, gauge } from './exposition.ts';
export type { Family, Sample } from './exposition.ts';
export { ProcessNumbers } from './process-numbers.ts';
export { Readiness } from './readiness.ts';
export type { Ready } from './readiness.ts';
export { WebServer } from './server.ts';
export { StoreRequests } from './store-requests.ts';

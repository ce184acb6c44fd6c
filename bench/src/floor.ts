import { type BareOrder, lookUpRows, openPool, queriesOf, serveBare, writeRecords } from './bare-search.ts';
import { serveOrders } from './child.ts';

/** The floor, as a process of its own: the look-up and nothing else. No token, no schema, no signature, no disclosure, no audit. */

serveOrders((order) => {
  const bare = order as BareOrder;
  const pool = openPool(bare.connection);
  return serveBare(async (message) => writeRecords(await lookUpRows(pool, bare, queriesOf(message))));
});

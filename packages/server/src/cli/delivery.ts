import type { Command } from 'commander';
import { getPartner } from '../services/register-partner.ts';
import { type Delivery, type DeliveryState, findDelivery, loadDeliveries, retryDeliveries } from '../store/deliveries.ts';
import type { Db } from '../store/database.ts';
import { callWorkers } from '../store/lanes.ts';
import { loadPartners } from '../store/partners.ts';
import { loadConfig, withDatabase } from './context.ts';
import { readId, readLimit } from './operands.ts';
import { addExamples, CommandFailed, printJson, printLine, printTable, UsageError } from './output.ts';

/** `dci delivery …`: what is on its way to partners. What stands in the messages is not shown: it is about people. */
export function registerDelivery(program: Command): void {
  const delivery = program.command('delivery').description('callbacks and notifications: what is on its way, what never arrived');
  registerList(delivery);
  registerShow(delivery);
  registerRetry(delivery);
}

interface ListOptions {
  readonly state?: string;
  readonly partner?: string;
  readonly since?: string;
  readonly limit: string;
  readonly json?: boolean;
}

const STATES: readonly DeliveryState[] = ['pending', 'delivered', 'dead'];

function registerList(delivery: Command): void {
  const command = delivery
    .command('list')
    .description('list deliveries, the newest first')
    .option('--state <state>', 'pending (on its way, or to be tried again), delivered, or dead (given up)')
    .option('--partner <sender-id>', 'those to one partner')
    .option('--since <time>', 'those that were made since then, e.g. 2026-01-31T08:00:00Z')
    .option('--limit <number>', 'at most so many', '50')
    .option('--json', 'print a JSON list')
    .action(list);
  addExamples(command, 'dci delivery list --state dead');
}

async function list(options: ListOptions): Promise<void> {
  const state = STATES.find((known) => known === options.state);
  if (options.state !== undefined && state === undefined) throw new UsageError(`--state is one of ${STATES.join(', ')}`);
  const most = readLimit(options.limit);
  const since = options.since === undefined ? undefined : readTime(options.since);
  const found = await withDatabase(loadConfig(), async ({ db }) => {
    const partnerId = options.partner === undefined ? undefined : (await getPartner(db, options.partner)).id;
    return describeAll(db, await loadDeliveries(db, { state, partnerId, since, most }));
  });
  if (options.json) printJson(found);
  else
    printTable(
      ['id', 'partner', 'action', 'state', 'attempts', 'last', 'made', 'next'],
      found.map((row) => [row.id, row.partner, row.action, row.state, row.attempts, row.error ?? row.status, row.created_at, row.next_at]),
    );
}

function registerShow(delivery: Command): void {
  const command = delivery
    .command('show')
    .argument('<id>', 'the delivery')
    .description('say how far one delivery has come')
    .option('--json', 'print one JSON object')
    .action(async (id: string, { json }: { json?: boolean }) => {
      const [described] = await withDatabase(loadConfig(), async ({ db }) => {
        const found = await findDelivery(db, readId(id, 'a delivery'));
        if (found === undefined) throw new CommandFailed(`there is no delivery ${id}`);
        return await describeAll(db, [found]);
      });
      if (json) printJson(described);
      else for (const [name, value] of Object.entries(described ?? {})) printLine(`${name.padEnd(16)}${toText(value)}`);
    });
  addExamples(command, 'dci delivery show 019a5b1e-7c1f-7c0e-8f64-0d2a35b0a111');
}

interface RetryOptions {
  readonly all?: boolean;
  readonly since?: string;
  readonly json?: boolean;
}

function registerRetry(delivery: Command): void {
  const command = delivery
    .command('retry')
    .argument('[ids...]', 'deliveries that were given up')
    .description('send deliveries again that were given up, in their order')
    .option('--all', 'all that were given up')
    .option('--since <time>', 'with --all: those that were made since then')
    .option('--json', 'print {retried}')
    .action(retry);
  addExamples(command, 'dci delivery retry --all --since 2026-01-31T08:00:00Z');
}

async function retry(ids: readonly string[], { all, since, json }: RetryOptions): Promise<void> {
  if (ids.length > 0 === (all === true)) throw new UsageError('name deliveries, or give --all');
  if (since !== undefined && all !== true) throw new UsageError('--since goes with --all');
  const named = ids.map((id) => readId(id, 'a delivery'));
  const which = all === true ? { since: since === undefined ? new Date(0) : readTime(since) } : { ids: named };
  const retried = await withDatabase(loadConfig(), async ({ db, pool }) => {
    const count = await db.transaction().execute((transaction) => retryDeliveries(transaction, which));
    if (count > 0) await callWorkers(pool);
    return count;
  });
  if (json) printJson({ retried });
  else printLine(`${retried} to be sent again`);
  if (retried < named.length) throw new CommandFailed(`${named.length - retried} of them are not there, or were not given up`);
}

async function describeAll(db: Db, deliveries: readonly Delivery[]) {
  const names = new Map((await loadPartners(db)).map(({ id, senderId }) => [id, senderId]));
  return deliveries.map((delivery) => ({
    id: delivery.id,
    partner: names.get(delivery.partnerId) ?? delivery.partnerId,
    action: delivery.action,
    transaction_id: delivery.transactionId,
    lane: delivery.lane ?? null,
    url: delivery.url,
    state: delivery.state,
    attempts: delivery.attempts,
    status: delivery.status ?? null,
    error: delivery.error ?? null,
    created_at: delivery.createdAt,
    tried_at: delivery.triedAt ?? null,
    next_at: delivery.nextAt ?? null,
  }));
}

function readTime(text: string): Date {
  const time = new Date(text);
  if (Number.isNaN(time.getTime())) throw new UsageError(`"${text}" is no time; write it as 2026-01-31T08:00:00Z`);
  return time;
}

function toText(value: string | number | Date | null): string {
  return value instanceof Date ? value.toISOString() : String(value ?? '');
}

import type { Command } from 'commander';
import { getPartner } from '../services/register-partner.ts';
import { manageSubscription, type SubscriptionChange, SubscriptionStateError } from '../services/manage-subscription.ts';
import type { Db } from '../store/database.ts';
import { callWorkers } from '../store/lanes.ts';
import { loadPartners } from '../store/partners.ts';
import { countPendingEvents } from '../store/pending-events.ts';
import { findSubscriptions, listSubscriptions, type Subscription, SUBSCRIPTION_STATES } from '../store/subscriptions.ts';
import { loadConfig, withDatabase } from './context.ts';
import { readLimit } from './operands.ts';
import { addExamples, CommandFailed, printJson, printLine, printTable, UsageError } from './output.ts';

/** `dci subscription …`: who is told of what, and whether. */
export function registerSubscription(program: Command): void {
  const subscription = program.command('subscription').description('who is to be told of which events');
  registerList(subscription);
  registerShow(subscription);
  registerChange(subscription, 'approve', 'put a subscription in force that waits for approval; what happened before is not told');
  registerChange(subscription, 'suspend', 'tell a subscriber nothing for now; what happens meanwhile is gathered');
  registerChange(subscription, 'resume', 'tell a subscriber again, also of what was gathered');
  registerChange(subscription, 'end', 'end a subscription; what has not been told is not told');
}

interface ListOptions {
  readonly state?: string;
  readonly partner?: string;
  readonly limit: string;
  readonly json?: boolean;
}

function registerList(subscription: Command): void {
  const command = subscription
    .command('list')
    .description('list subscriptions, the newest first')
    .option('--state <state>', `one of ${SUBSCRIPTION_STATES.join(', ')}`)
    .option('--partner <sender-id>', 'those of one partner')
    .option('--limit <number>', 'at most so many', '50')
    .option('--json', 'print a JSON list')
    .action(list);
  addExamples(command, 'dci subscription list --state pending');
}

async function list({ state: named, partner: senderId, limit, json }: ListOptions): Promise<void> {
  const state = SUBSCRIPTION_STATES.find((known) => known === named);
  if (named !== undefined && state === undefined) throw new UsageError(`--state is one of ${SUBSCRIPTION_STATES.join(', ')}`);
  const most = readLimit(limit);
  const found = await withDatabase(loadConfig(), async ({ db }) => {
    const partnerId = senderId === undefined ? undefined : (await getPartner(db, senderId)).id;
    return await describeAll(db, await listSubscriptions(db, { partnerId, state, most }));
  });
  if (json === true) printJson(found);
  else
    printTable(
      ['code', 'partner', 'registry', 'event', 'records', 'when', 'state', 'waiting', 'until', 'reason'],
      found.map((row) => [
        row.code,
        row.partner,
        row.registry,
        row.event,
        row.entity,
        row.schedule,
        row.state,
        row.waiting,
        row.ends_at,
        row.reason,
      ]),
    );
}

function registerShow(subscription: Command): void {
  const command = subscription
    .command('show')
    .argument('<code>', 'the code of the subscription')
    .description('print a subscription, with its criteria as they were sent')
    .option('--json', 'print one JSON object')
    .action(async (code: string, { json }: { json?: boolean }) => {
      const described = await withDatabase(loadConfig(), async ({ db }) => {
        const [found] = await findSubscriptions(db, [code]);
        if (found === undefined) throw new CommandFailed(`there is no subscription ${code}`);
        const [row] = await describeAll(db, [found]);
        return { ...row, criteria: found.criteria };
      });
      if (json === true) printJson(described);
      else for (const [name, value] of Object.entries(described)) printLine(`${name.padEnd(16)}${write(value)}`);
    });
  addExamples(command, 'dci subscription show 0Qm2ZyJ1m1dVvZ3i2a7bT9xk');
}

function registerChange(subscription: Command, change: SubscriptionChange, description: string): void {
  const command = subscription
    .command(change)
    .argument('<code>', 'the code of the subscription')
    .description(description)
    .option('--reason <text>', 'why, for other operators; nothing personal')
    .option('--json', 'print one JSON object')
    .action(async (code: string, { reason, json }: { reason?: string; json?: boolean }) => {
      const changed = await withDatabase(loadConfig(), async ({ db, pool }) => {
        const managed = await manageSubscription(db, code, change, reason).catch(explain);
        await callWorkers(pool);
        return managed;
      });
      if (json === true) printJson({ code, state: changed.state, reason: changed.reason });
      else printLine(`${code} is ${changed.state}`);
    });
  addExamples(command, `dci subscription ${change} 0Qm2ZyJ1m1dVvZ3i2a7bT9xk`);
}

function explain(error: unknown): never {
  throw error instanceof SubscriptionStateError ? new CommandFailed(error.message) : error;
}

interface Described {
  readonly code: string;
  readonly partner: string;
  readonly registry: string;
  readonly event: string;
  readonly entity: string;
  readonly schedule: string;
  readonly state: string;
  readonly reason: string | null;
  readonly waiting: number;
  readonly starts_at: Date;
  readonly ends_at: Date | null;
  readonly failing_since: Date | null;
  readonly created_at: Date;
}

async function describeAll(db: Db, subscriptions: readonly Subscription[]): Promise<Described[]> {
  const senders = new Map((await loadPartners(db)).map(({ id, senderId }) => [id, senderId]));
  const waiting = await countPendingEvents(
    db,
    subscriptions.map(({ id }) => id),
  );
  return subscriptions.map((one) => ({
    code: one.code,
    partner: senders.get(one.partnerId) ?? '',
    registry: one.registry,
    event: one.eventType,
    entity: one.entity,
    schedule: one.schedule ?? 'immediate',
    state: one.state,
    reason: one.reason,
    waiting: waiting.get(one.id) ?? 0,
    starts_at: one.startsAt,
    ends_at: one.endsAt,
    failing_since: one.failingSince,
    created_at: one.createdAt,
  }));
}

function write(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (value instanceof Date) return value.toISOString();
  return typeof value === 'string' ? value : JSON.stringify(value);
}

import type { Command } from 'commander';
import { getPartner } from '../services/register-partner.ts';
import { openContent } from '../services/inbox-content.ts';
import type { Db } from '../store/database.ts';
import { findInboxMessage, type InboxMessage, loadInbox, markInbox } from '../store/inbox.ts';
import { loadOwnRequests } from '../store/own-requests.ts';
import { loadPartners } from '../store/partners.ts';
import { loadConfig, withDatabase } from './context.ts';
import { readId, readLimit } from './operands.ts';
import { addExamples, CommandFailed, printJson, printLine, printTable } from './output.ts';
import { openCommandSealer } from './own-keys.ts';

/** `dci inbox …`: what other registries have sent: answers to our requests, and notifications. All of it was verified when it came. */
export function registerInbox(program: Command): void {
  const inbox = program.command('inbox').description('answers and notifications that other registries have sent here');
  registerList(inbox);
  registerShow(inbox);
  registerMark(inbox);
}

interface ListOptions {
  readonly partner?: string;
  readonly action?: string;
  readonly transaction?: string;
  readonly unread?: boolean;
  readonly limit: string;
  readonly json?: boolean;
}

function registerList(inbox: Command): void {
  const command = inbox
    .command('list')
    .description('list messages, the newest first')
    .option('--partner <sender-id>', 'those of one partner')
    .option('--action <action>', 'those of one kind: on-search, on-subscribe, on-unsubscribe, txn-on-status or notify')
    .option('--transaction <id>', 'those of one transaction')
    .option('--unread', 'those that were not marked')
    .option('--limit <number>', 'at most so many', '50')
    .option('--json', 'print a JSON list')
    .action(list);
  addExamples(command, 'dci inbox list --unread --action notify');
}

async function list(options: ListOptions): Promise<void> {
  const most = readLimit(options.limit);
  const { action, transaction: transactionId, unread } = options;
  const found = await withDatabase(loadConfig(), async ({ db }) => {
    const partnerId = options.partner === undefined ? undefined : (await getPartner(db, options.partner)).id;
    return describeAll(db, await loadInbox(db, { partnerId, action, transactionId, unread, most }));
  });
  if (options.json) printJson(found);
  else
    printTable(
      ['id', 'partner', 'action', 'status', 'items', 'belongs to', 'received', 'read'],
      found.map((row) => [row.id, row.partner, row.action, row.status, row.items, toRequest(row), row.received_at, row.read_at]),
    );
}

function registerShow(inbox: Command): void {
  const command = inbox
    .command('show')
    .argument('<id>', 'the message')
    .description('say who sent a message, when and to which request, and print what it says')
    .option('--json', 'print one JSON object')
    .action(async (id: string, { json }: { json?: boolean }) => {
      const config = loadConfig();
      const sealer = openCommandSealer(config);
      const { facts, content } = await withDatabase(config, async ({ db }) => {
        const found = await findInboxMessage(db, readId(id, 'a message'));
        if (found === undefined) throw new CommandFailed(`there is no message ${id}`);
        const [described] = await describeAll(db, [found]);
        return { facts: described, content: openContent(sealer, found) };
      });
      if (json) return printJson({ ...facts, ...content });
      for (const [name, value] of Object.entries(facts ?? {})) printLine(`${name.padEnd(16)}${toText(value)}`);
      printLine();
      printJson(content.message);
    });
  addExamples(command, 'dci inbox show 019a5b1e-7c1f-7c0e-8f64-0d2a35b0a111');
}

function registerMark(inbox: Command): void {
  const command = inbox
    .command('mark')
    .argument('<ids...>', 'messages')
    .description('mark messages as read')
    .option('--unread', 'as not read')
    .option('--json', 'print {marked}')
    .action(async (ids: readonly string[], { unread, json }: { unread?: boolean; json?: boolean }) => {
      const named = [...new Set(ids.map((id) => readId(id, 'a message').toLowerCase()))];
      const marked = await withDatabase(loadConfig(), ({ db }) => markInbox(db, named, unread === true ? null : new Date()));
      if (json) printJson({ marked });
      else printLine(`${marked} marked`);
      if (marked < named.length) throw new CommandFailed(`${named.length - marked} of them are not there`);
    });
  addExamples(command, 'dci inbox mark 019a5b1e-7c1f-7c0e-8f64-0d2a35b0a111');
}

async function describeAll(db: Db, messages: readonly InboxMessage[]) {
  const names = new Map((await loadPartners(db)).map(({ id, senderId }) => [id, senderId]));
  const ids = messages.flatMap(({ requestId }) => requestId ?? []);
  const requests = new Map((await loadOwnRequests(db, ids)).map((request) => [request.id, request]));
  return messages.map((message) => {
    const request = requests.get(message.requestId ?? '');
    return {
      id: message.id,
      partner: names.get(message.partnerId) ?? message.partnerId,
      action: message.action,
      registry: message.registry ?? null,
      status: message.status ?? null,
      items: message.itemCount,
      message_id: message.messageId,
      transaction_id: message.transactionId,
      correlation_id: message.correlationId ?? null,
      signed_by: message.kid,
      dialect: message.dialect,
      encrypted: message.isEncrypted,
      received_at: message.receivedAt,
      read_at: message.readAt ?? null,
      request:
        request === undefined
          ? null
          : {
              action: request.action,
              transaction_id: request.transactionId,
              sent_at: request.sentAt,
              asked_of: names.get(request.partnerId) ?? null,
            },
    };
  });
}

type Described = Awaited<ReturnType<typeof describeAll>>[number];

function toRequest({ request }: Described): string {
  return request === null ? 'no request of ours' : `${request.action} ${request.transaction_id}`;
}

function toText(value: Described[keyof Described]): string {
  if (value instanceof Date) return value.toISOString();
  if (typeof value !== 'object') return String(value);
  return value === null ? '' : `${value.action} ${value.transaction_id}, sent ${value.sent_at.toISOString()} to ${value.asked_of ?? ''}`;
}

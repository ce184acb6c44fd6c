import { parseSubscribeResponse, parseUnsubscribeResponse, type SubscribeCriteria, type SubscribeResponseItem } from '@dci/protocol';
import { type Command, Option } from 'commander';
import { addLaterOptions, askAsServer, type LaterAnswer, type LaterCommandOptions } from './ask-as-server.ts';
import { addClientOptions, gatherIdentifiers, type IdentifierQuery, readCriteriaFile } from './client-options.ts';
import { addExamples, EXIT, printJson, printTable, UsageError } from './output.ts';
import { toPrintable } from './tabulate-records.ts';

/** `dci subscribe` and `dci unsubscribe`: this server as a subscriber of another registry. Notifications come to its inbox. */
export function registerSubscribe(program: Command): void {
  const command = program
    .command('subscribe')
    .description('ask another registry to tell this server of events; notifications come to the inbox (dci inbox)');
  addLaterOptions(addClientOptions(command))
    .option('--event <name>', 'e.g. UPDATE')
    .option('--record-type <name>', 'in what form records are told of, e.g. Member')
    .option('--id <type=value>', 'of the record with this identifier; may be repeated', gatherIdentifiers)
    .addOption(new Option('--criteria <file>', 'subscribe_criteria as JSON, or a list of them; - reads stdin').conflicts('id'))
    .option('--json', 'print one JSON object')
    .action(subscribe);
  addExamples(
    command,
    'dci subscribe --server https://social.example.org/api/v2/dci --receiver-id social.example.org --client-id mis --client-secret-file secret --event UPDATE --record-type Member --id UIN=847951632',
  );
}

interface SubscribeOptions extends LaterCommandOptions {
  readonly event?: string;
  readonly recordType?: string;
  readonly id?: readonly IdentifierQuery[];
  readonly criteria?: string;
}

async function subscribe(options: SubscribeOptions): Promise<void> {
  const criteria = readCriteria(options);
  const answer = await askAsServer(options, {
    action: 'subscribe',
    answeredBy: 'on-subscribe',
    referenceIds: criteria.map((_, index) => String(index + 1)),
    send: (client, later) => client.subscribe(criteria, later),
    isComplete: (answers) => answers.length > 0,
  });
  if (answer === undefined) return;
  const items = answer.answers.flatMap(({ content }) => parseSubscribeResponse(content.message).subscribe_response);
  tell(answer, options, items.flatMap(describeItem));
  if (items.some(({ status }) => status === 'rjct')) process.exitCode = EXIT.failed;
}

function describeItem(item: SubscribeResponseItem): Told[] {
  const { subscriptions: made = [], status } = item;
  const codes = made.length === 0 ? [null] : made.map(({ code }) => code);
  return codes.map((code) => ({ reference_id: item.reference_id, code, status, reason: reasonOf(item) }));
}

function readCriteria({ event, recordType, id: identifiers = [], criteria: file }: SubscribeOptions): SubscribeCriteria[] {
  const written = file === undefined ? [] : readCriteriaFile<Partial<SubscribeCriteria>>(file, '{"reg_event_type": …, "filter": …}');
  const named = identifiers.map((filter) => ({ filter_type: 'idtype-value' as const, filter }));
  const asked = [...written, ...named].map((criteria) => ({
    ...criteria,
    ...(event === undefined ? {} : { reg_event_type: event }),
    ...(recordType === undefined ? {} : { notify_record_type: recordType }),
  }));
  if (asked.length === 0) throw new UsageError('say of which records: --id TYPE=VALUE or --criteria FILE');
  return asked.map(({ reg_event_type, notify_record_type, filter, ...others }) => {
    if (reg_event_type === undefined || notify_record_type === undefined || filter === undefined)
      throw new UsageError('say of which event of what: --event and --record-type, and a filter; or all of it in --criteria FILE');
    return { ...others, reg_event_type, notify_record_type, filter };
  });
}

export function registerUnsubscribe(program: Command): void {
  const command = program
    .command('unsubscribe')
    .argument('<codes...>', 'codes of the subscriptions, as "dci subscribe" printed them')
    .description('end subscriptions of this server at another registry');
  addLaterOptions(addClientOptions(command)).option('--json', 'print one JSON object').action(unsubscribe);
  addExamples(
    command,
    'dci unsubscribe 0Qm2ZyJ1m1dVvZ3i2a7bT9xk --server https://social.example.org/api/v2/dci --receiver-id social.example.org --client-id mis --client-secret-file secret',
  );
}

async function unsubscribe(codes: readonly string[], options: LaterCommandOptions): Promise<void> {
  const answer = await askAsServer(options, {
    action: 'unsubscribe',
    answeredBy: 'on-unsubscribe',
    referenceIds: [],
    send: (client, later) => client.unsubscribe(codes, later),
    isComplete: (answers) => answers.length > 0,
  });
  if (answer === undefined) return;
  const told = answer.answers.map(({ content }) => parseUnsubscribeResponse(content.message));
  tell(
    answer,
    options,
    told.flatMap((response) =>
      (response.subscription_status ?? []).map(({ code, status }) => ({ code, status, reason: reasonOf(response) })),
    ),
  );
  if (told.some(({ status }) => status === 'rjct')) process.exitCode = EXIT.failed;
}

interface Told {
  readonly reference_id?: string;
  readonly code: string | null;
  readonly status: string;
  readonly reason: string | null;
}

function tell({ transactionId, answers }: LaterAnswer, { json }: LaterCommandOptions, items: readonly Told[]): void {
  if (json === true) printJson({ transaction_id: transactionId, signed_by: answers.at(-1)?.kid ?? null, items });
  else
    printTable(
      ['subscription', 'status', 'reason'],
      items.map(({ code, status, reason }) => [code, status, reason]),
    );
}

function reasonOf(told: { readonly status_reason_code?: string; readonly status_reason_message?: string }): string | null {
  const { status_reason_code: code, status_reason_message: message } = told;
  return code === undefined && message === undefined ? null : toPrintable([code, message].filter((part) => part !== undefined).join(': '));
}

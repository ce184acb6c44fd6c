import { randomUUID } from 'node:crypto';
import { type Acknowledged, createDciClient, type DciClient, type LaterOptions } from '@dci/client';
import type { SigningKey } from '@dci/protocol';
import { type Command, Option } from 'commander';
import { v7 as uuidV7 } from 'uuid';
import type { Config } from '../config.ts';
import { askLater, awaitAnswer, findCallbackBase, type ReceivedAnswer } from '../services/ask-later.ts';
import { getPartner } from '../services/register-partner.ts';
import type { Db } from '../store/database.ts';
import type { Partner } from '../store/partners.ts';
import { type ClientOptions, parseCount, readCredentials, readServer, readSigningKey, tellRefusal } from './client-options.ts';
import { loadConfig, withDatabase } from './context.ts';
import { CommandFailed, printJson, printLine, UsageError } from './output.ts';
import { openCommandSealer, openKeys } from './own-keys.ts';
import { startProgress } from './progress.ts';

/**
 * Asks another registry in the name of this server, and waits for the answer in its inbox: the server that runs on the same
 * database receives and verifies it. Signed by the server's own key, unless another is given.
 */

export interface LaterCommandOptions extends ClientOptions {
  readonly wait: boolean;
  readonly timeout?: number;
  readonly json?: boolean;
}

const USUAL_TIMEOUT_SECONDS = 60;

export function addLaterOptions(command: Command): Command {
  return command
    .option('--no-wait', 'print the ids under which the answer comes, and do not wait for it')
    .addOption(new Option('--timeout <seconds>', `longest to wait; default: ${USUAL_TIMEOUT_SECONDS}`).argParser(parseCount));
}

export interface LaterQuestion {
  readonly action: string;
  /** Kind of the messages that answer it, and the last part of the path they are sent to. */
  readonly answeredBy: string;
  readonly referenceIds: readonly string[];
  readonly send: (client: DciClient, later: LaterOptions) => Promise<Acknowledged>;
  readonly isComplete: (answers: readonly ReceivedAnswer[]) => boolean;
}

export interface LaterAnswer {
  readonly transactionId: string;
  readonly answers: readonly ReceivedAnswer[];
  readonly isComplete: boolean;
}

/** Undefined: it was not to be waited for; then the ids are printed. Throws where nothing at all has come in time. */
export async function askAsServer(options: LaterCommandOptions, question: LaterQuestion): Promise<LaterAnswer | undefined> {
  const config = loadConfig();
  const senderUri = `${getCallbackBase(config)}/registry/${question.answeredBy}`;
  return await withDatabase(config, async ({ db }) => {
    const partner = await getPeer(db, options);
    const client = await openClient(db, config, options);
    const request = {
      id: uuidV7(),
      partnerId: partner.id,
      action: question.action,
      transactionId: randomUUID(),
      referenceIds: question.referenceIds,
      isEncrypted: options.encrypt === true,
      sentAt: new Date(),
    };
    const { transactionId } = request;
    const later = { senderUri, transactionId, ...(options.registry === undefined ? {} : { registry: options.registry }) };
    const acknowledged = await tellRefusal(askLater(db, request, () => question.send(client, later)));
    if (!options.wait) {
      printIds(acknowledged, options.json === true);
      return undefined;
    }
    const progress = startProgress('waiting for the answer; messages');
    try {
      const answer = await awaitAnswer({
        ...question,
        db,
        sealer: openCommandSealer(config),
        requestId: request.id,
        action: question.answeredBy,
        timeoutMs: (options.timeout ?? USUAL_TIMEOUT_SECONDS) * 1_000,
        onProgress: progress.update,
      });
      if (answer.answers.length === 0) throw new CommandFailed(stillMissing(transactionId));
      return { transactionId, ...answer };
    } finally {
      progress.stop();
    }
  });
}

/** What to do about an answer that has not come, or not all of it. */
export function stillMissing(transactionId: string): string {
  return `the answer has not come in time; see "dci inbox list --transaction ${transactionId}" later, and whether a server runs that the other can reach`;
}

function printIds({ transactionId, correlationId }: Acknowledged, json: boolean): void {
  if (json) printJson({ transaction_id: transactionId, correlation_id: correlationId });
  else printLine(transactionId);
}

function getCallbackBase(config: Config): string {
  const base = findCallbackBase(config);
  if (base === undefined) throw new UsageError('say where the other server reaches this one: set DCI_CALLBACK_BASE_URL');
  return base;
}

/** Answers are taken from registered partners alone. */
async function getPeer(db: Db, { receiverId }: ClientOptions): Promise<Partner> {
  if (receiverId === undefined)
    throw new UsageError('--receiver-id must name the server, as it is registered here: only its answers are taken');
  const partner = await getPartner(db, receiverId);
  if (!partner.active || (partner.keys.size === 0 && !partner.publishesKeys))
    throw new CommandFailed(
      `${receiverId} is not active or has no key, so its answer would be refused; see "dci partner show ${receiverId}"`,
    );
  return partner;
}

async function openClient(db: Db, config: Config, options: ClientOptions): Promise<DciClient> {
  if (options.senderId !== undefined && options.senderId !== config.senderId)
    throw new UsageError(`the answer is sent to this server, "${config.senderId}" (DCI_SENDER_ID): leave --sender-id out`);
  return createDciClient({
    baseUrl: readServer(options.server),
    senderId: config.senderId,
    receiverId: options.receiverId,
    credentials: readCredentials(options),
    signingKey: readSigningKey(options) ?? (await readActiveKey(db, config)),
    dialect: options.dialect,
    encrypt: options.encrypt ?? false,
  });
}

async function readActiveKey(db: Db, config: Config): Promise<SigningKey> {
  const keys = await openKeys(db, config);
  try {
    return keys.active();
  } finally {
    keys.close();
  }
}

import { setTimeout as sleep } from 'node:timers/promises';
import { type Acknowledged, DciRefusal } from '@dci/client';
import type { Config } from '../config.ts';
import type { Db } from '../store/database.ts';
import { type InboxMessage, loadInbox } from '../store/inbox.ts';
import { deleteOwnRequest, insertOwnRequest, noteCorrelation, type OwnRequest } from '../store/own-requests.ts';
import { type InboxContent, openContent } from './inbox-content.ts';
import type { Sealer } from './sealer.ts';

/** Requests of ours that another registry answers later: known before they are sent, so that no answer comes too soon. */

/** Below which others reach this server; undefined where the settings do not tell. */
export function findCallbackBase({ callbackBaseUrl, publicUrl, host, port, basePath }: Config): string | undefined {
  if (callbackBaseUrl !== undefined) return callbackBaseUrl;
  if (publicUrl !== undefined) return `${publicUrl}${basePath}`;
  const isEverywhere = host === '0.0.0.0' || host === '::';
  return port === 0 || isEverywhere ? undefined : `http://${host.includes(':') ? `[${host}]` : host}:${port}${basePath}`;
}

/** Sends a request and notes under which id the answer comes. One that was refused is forgotten. */
export async function askLater(db: Db, request: OwnRequest, send: () => Promise<Acknowledged>): Promise<Acknowledged> {
  await insertOwnRequest(db, request);
  try {
    const acknowledged = await send();
    await noteCorrelation(db, request.id, acknowledged.correlationId);
    return acknowledged;
  } catch (error) {
    if (error instanceof DciRefusal) await deleteOwnRequest(db, request.id);
    throw error;
  }
}

export interface ReceivedAnswer extends InboxMessage {
  readonly content: InboxContent;
}

export interface Waiting {
  readonly db: Db;
  readonly sealer: Sealer;
  readonly requestId: string;
  /** Kind of the messages that answer it. */
  readonly action: string;
  readonly isComplete: (answers: readonly ReceivedAnswer[]) => boolean;
  readonly timeoutMs: number;
  readonly onProgress?: (messages: number) => void;
}

const LOOK_EVERY_MS = 200;
const MOST_MESSAGES = 100_000;

/** Waits until the answer is complete or the time is over; returns what has come until then, in the order of its coming. */
export async function awaitAnswer(
  waiting: Waiting,
): Promise<{ readonly answers: readonly ReceivedAnswer[]; readonly isComplete: boolean }> {
  const { db, sealer, requestId, action } = waiting;
  const deadline = performance.now() + waiting.timeoutMs;
  const opened = new Map<string, ReceivedAnswer>();
  for (;;) {
    for (const message of (await loadInbox(db, { requestId, action, most: MOST_MESSAGES })).toReversed())
      if (!opened.has(message.id)) opened.set(message.id, { ...message, content: openContent(sealer, message) });
    const answers = [...opened.values()];
    waiting.onProgress?.(answers.length);
    const isComplete = waiting.isComplete(answers);
    if (isComplete || performance.now() >= deadline) return { answers, isComplete };
    await sleep(LOOK_EVERY_MS);
  }
}

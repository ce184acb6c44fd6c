import type { NewJob } from '../store/lanes.ts';
import { ANSWER, type AnswerWork, type RequestAnswerer } from './answer-request.ts';
import { EXPORT } from './async-export.ts';
import type { Remade } from './deliver-message.ts';
import { NOTIFY, type Notifier, type NotifyWork } from './notify.ts';

export interface RemakerParts {
  readonly answerer: RequestAnswerer;
  readonly notifier: Notifier;
}

/** Makes what waits to be delivered anew, by the very work that made it first; only what is to be sent is another. */
export function createRemaker({ answerer, notifier }: RemakerParts): (job: NewJob, signal: AbortSignal) => Promise<Remade> {
  return async ({ kind, payload }, signal) => {
    // Rows of ours: each kind of job is written with its own payload.
    if (kind === ANSWER || kind === EXPORT) return await answerAgain(answerer, payload as AnswerWork, signal);
    if (kind === NOTIFY) return await notifyAgain(notifier, payload as NotifyWork, signal);
    throw new Error(`a delivery is made anew by the unknown kind "${kind}"`);
  };
}

/** That the request has ended, and what follows on this part, was written down the first time, or is somebody else's work. */
async function answerAgain(answerer: RequestAnswerer, work: AnswerWork, signal: AbortSignal): Promise<Remade> {
  const answered = await answerer.answer(work, signal);
  return { delivery: answered?.delivery, record: async () => undefined };
}

async function notifyAgain(notifier: Notifier, work: NotifyWork, signal: AbortSignal): Promise<Remade> {
  const notified = await notifier.notify(work, signal);
  if (notified === undefined) return { record: async () => undefined };
  const { delivery, ...others } = notified;
  return { delivery, record: (db) => notifier.record(db, [others]) };
}

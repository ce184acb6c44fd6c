import { changeStep, laterStep, notificationStep, subscribeStep, unsubscribeStep } from './demo-event-steps.ts';
import { matchStep, statisticsStep } from './demo-count-steps.ts';
import { extractStep } from './demo-extract-step.ts';
import { fewerFieldsStep, forgeryStep, replayStep } from './demo-refusal-steps.ts';
import { batchStep, householdStep, identifierStep, memberStep, predicateStep, tokenStep } from './demo-search-steps.ts';
import { clientFor, type Step, type Walk } from './demo-step.ts';

/**
 * The demo's walk: what a partner system does with a registry, step by step, each with what came back. A step says what
 * it expects; the walk fails where something else happens.
 */
const STEPS: readonly ((step: Step) => Promise<void>)[] = [
  tokenStep,
  identifierStep,
  predicateStep,
  householdStep,
  memberStep,
  batchStep,
  fewerFieldsStep,
  forgeryStep,
  replayStep,
  laterStep,
  subscribeStep,
  changeStep,
  notificationStep,
  unsubscribeStep,
  matchStep,
  statisticsStep,
  extractStep,
];

/** Runs every step, numbered from `first`; throws at the first that goes otherwise than it should. Returns the next number. */
export async function runWalk(walk: Walk, first: number): Promise<number> {
  const client = clientFor(walk, walk.programme);
  walk.receiver.trust(walk.serverId, await client.getKeys());
  for (const [index, step] of STEPS.entries()) {
    walk.print('');
    const title = (text: string): void => walk.print(`${first + index}. ${text}`);
    await step({ ...walk, client, title, done: (text) => walk.print(`   ✔ ${text}`) });
  }
  return first + STEPS.length;
}

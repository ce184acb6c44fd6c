import type { SearchResult } from './plan.ts';
import { tooManyRefusal } from './refusal.ts';

/**
 * What one message may take of the server: time, records (members of groups among them) and characters of answer. What
 * lies beyond is refused item by item, so that no batch of searches, each of them allowed, exhausts memory or keeps the
 * database from everybody else.
 */
export interface MessageBudget {
  /** Throws the item's refusal when nothing is left. */
  assertLeft(): void;
  /** Books a result; throws the item's refusal when there was not enough left for it. */
  take(result: SearchResult): void;
}

export interface MessageLimits {
  readonly milliseconds: number;
  readonly records: number;
  readonly characters: number;
}

/** `now`: milliseconds of any clock that only goes forward. */
export function openMessageBudget(limits: MessageLimits, now: () => number): MessageBudget {
  const deadline = now() + limits.milliseconds;
  let { records, characters } = limits;

  function assertLeft(): void {
    if (now() > deadline || records < 0 || characters < 0)
      throw tooManyRefusal('the message asks for more than is answered at once; ask for the rest in another');
  }

  return {
    assertLeft,
    take(result) {
      for (const record of result.records) {
        records -= 1 + (record.members?.length ?? 0);
        characters -= record.body.length;
        for (const member of record.members ?? []) characters -= member.record.body.length;
      }
      assertLeft();
    },
  };
}

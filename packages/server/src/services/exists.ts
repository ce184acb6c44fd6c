import type { ExistsItem, ExistsRequest } from '@dci/protocol';
import { type DisclosedExistence, discloseExistence } from '../disclosure/disclose-existence.ts';
import { executeExistence, planExistence } from '../registry/existence.ts';
import { createLanes } from '../registry/lanes.ts';
import { openMessageBudget } from '../registry/message-budget.ts';
import type { Reader } from '../registry/reader.ts';
import { answerPlanned, type Asker, type CriteriaParts, planCriteria, type RefusedItem } from './plan-items.ts';

/** The existence check: the items of a request, each answered or refused. */
export interface ExistenceCheck {
  run(asked: AskedExistence): Promise<ExistsOutcome[]>;
}

export interface AskedExistence extends Asker {
  readonly request: ExistsRequest;
  /** Whoever asked has gone: nothing more is read for him. */
  readonly gone?: AbortSignal | undefined;
}

export type ExistsOutcome = AnsweredExistence | RefusedItem<ExistsItem>;

export interface AnsweredExistence {
  readonly item: ExistsItem;
  readonly purpose: string | undefined;
  readonly existence: DisclosedExistence;
}

export interface ExistenceParts extends CriteriaParts {
  readonly reader: Reader;
}

/** Of one partner, at a time. */
const CHECKS_SIDE_BY_SIDE = 2;
const MESSAGE_LIMITS = { milliseconds: 10_000, records: 0, characters: 0 };

export function createExistenceCheck(parts: ExistenceParts): ExistenceCheck {
  const lanes = createLanes(CHECKS_SIDE_BY_SIDE);
  return {
    async run(asked) {
      const list = {
        items: asked.request.exists_request,
        names: ['exists_request', 'exists_criteria'],
        criteriaOf: (item: ExistsItem) => item.exists_criteria,
      } as const;
      const planned = await planCriteria(parts, asked, list, planExistence);
      const budget = openMessageBudget(MESSAGE_LIMITS, () => performance.now());
      return await answerPlanned(planned, (plan) =>
        lanes.run(asked.partner.id, async () => {
          budget.assertLeft();
          return { existence: discloseExistence(await executeExistence(parts.reader, plan, asked.gone)) };
        }),
      );
    },
  };
}

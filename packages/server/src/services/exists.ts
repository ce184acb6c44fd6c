import type { DciError, ExistsItem, ExistsRequest } from '@dci/protocol';
import { type DisclosedExistence, discloseExistence } from '../disclosure/disclose-existence.ts';
import { executeExistence, type ExistencePlan, planExistence } from '../registry/existence.ts';
import { createLanes } from '../registry/lanes.ts';
import { openMessageBudget } from '../registry/message-budget.ts';
import type { Reader } from '../registry/reader.ts';
import { asItemRefusal, type Asker, type CriteriaParts, planCriteria, type RefusedItem } from './plan-items.ts';

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
      const check = async (plan: ExistencePlan): Promise<{ existence: DisclosedExistence } | { refusal: DciError }> => {
        try {
          budget.assertLeft();
          return { existence: discloseExistence(await executeExistence(parts.reader, plan, asked.gone)) };
        } catch (error) {
          return { refusal: asItemRefusal(error) };
        }
      };
      return await Promise.all(
        planned.map(async (entry): Promise<ExistsOutcome> => {
          if ('refusal' in entry) return entry;
          const { item, purpose, plan } = entry;
          const checked = await lanes.run(asked.partner.id, () => check(plan));
          return 'refusal' in checked ? { item, refusal: checked.refusal } : { item, purpose, existence: checked.existence };
        }),
      );
    },
  };
}

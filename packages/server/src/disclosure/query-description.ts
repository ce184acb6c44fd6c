import { createHmac, createSecretKey } from 'node:crypto';
import type { Sensitivity } from '../profiles/profile.ts';
import { sensitivityOf } from '../profiles/index.ts';
import type { Filter, SearchPlan } from '../registry/plan.ts';

/**
 * What the audit trail says a partner asked. Values that point at a person are kept as keyed hashes: two questions about
 * one person can be told to be the same, the person cannot be read from them.
 */
export type QueryDescriber = (plan: SearchPlan) => object;

const POINTS_AT_A_PERSON: ReadonlySet<Sensitivity> = new Set(['identifier', 'name', 'contact']);

/** `key`: kept for this purpose alone. */
export function createQueryDescriber(key: Buffer): QueryDescriber {
  // A key object spares node a look at what the key may be, at each value.
  const secret = createSecretKey(key);
  const hash = (value: unknown): string => createHmac('sha256', secret).update(String(value)).digest('base64url').slice(0, 22);

  function describe(filter: Filter): object {
    switch (filter.kind) {
      case 'and':
      case 'or':
        return { [filter.kind]: filter.terms.map(describe) };
      case 'not':
        return { not: describe(filter.term) };
      case 'identifier':
        return { [filter.type]: { [filter.operator]: filter.values.map(hash) } };
      case 'compare': {
        const hidden = POINTS_AT_A_PERSON.has(sensitivityOf(filter.recordType, filter.attribute.path) ?? 'identifier');
        const value = !hidden ? filter.value : Array.isArray(filter.value) ? filter.value.map(hash) : hash(filter.value);
        return { [filter.attribute.name]: { [filter.operator]: value } };
      }
    }
  }

  return (plan) => ({
    registry: plan.profile.registry,
    entity: plan.entity.name,
    filter: describe(plan.filter),
    sort: plan.sort.map(({ by, direction }) => `${'attribute' in by ? by.attribute.name : by.identifierType} ${direction}`),
    page: { size: plan.page.size, number: plan.page.number },
  });
}

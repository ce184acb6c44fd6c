import { findField, listRelatedTypes } from '../names.ts';
import type { SearchPlan, SortKey } from '../plan.ts';
import { childPointer, findUnknownMember } from '../read-query/json.ts';
import { sortRefusal } from '../refusal.ts';
import type { Pass, SearchContext } from '../search-context.ts';

const MOST_KEYS = 5;

/** Settles the order of the answer: fields of the record, then of records bound to it. Ties are settled by id when compiled. */
export const orderPage: Pass = (plan, criteria, context): SearchPlan => {
  const place = childPointer(context.pointer, 'sort');
  const items = criteria.sort ?? [];
  if (items.length === 0) return plan;
  if (items.length > MOST_KEYS) throw sortRefusal(`records are sorted by at most ${MOST_KEYS} attributes`, place);
  const sort = items.map((item, index) => bindKey(item, plan, context, childPointer(place, index)));
  const names = new Set(sort.map(nameKey));
  if (names.size < sort.length) throw sortRefusal('an attribute stands twice in the sort', place);
  return { ...plan, sort };
};

function bindKey(item: object, plan: SearchPlan, context: SearchContext, pointer: string): SortKey {
  const { attribute_name: name, sort_order: order = 'asc' } = item as { attribute_name?: unknown; sort_order?: unknown };
  if (findUnknownMember({ ...item }, ['attribute_name', 'sort_order']) !== undefined) {
    throw sortRefusal('a sort has attribute_name and sort_order only', pointer);
  }
  if (order !== 'asc' && order !== 'desc') throw sortRefusal('sort_order must be asc or desc', childPointer(pointer, 'sort_order'));
  const namePointer = childPointer(pointer, 'attribute_name');
  const spoken = [plan.recordType, ...listRelatedTypes(context.profile, plan.recordType)];
  const field = typeof name === 'string' ? findField(context.profile, spoken, name) : undefined;
  if (field === undefined) throw sortRefusal('the attribute is not known here', namePointer);
  const used = field.kind === 'attribute' ? field.attribute : field.identifierType;
  if (context.useOf(field.recordType, used) !== 'open') throw sortRefusal('the attribute is not open to you', namePointer);
  const by = field.kind === 'attribute' ? { attribute: field.attribute } : { identifierType: field.identifierType.code };
  return { recordType: field.recordType, by, direction: order };
}

function nameKey(key: SortKey): string {
  return 'attribute' in key.by ? `attribute ${key.recordType.name} ${key.by.attribute.name}` : `identifier ${key.by.identifierType}`;
}

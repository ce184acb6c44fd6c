import { criteriaRefusal } from '../refusal.ts';
import { childPointer, findUnknownMember, isObject } from './json.ts';
import type { Query } from './query.ts';

/** `{type, value}`: an identifier type by code or namespace URI, and its value. */
export function readIdentifierValue(query: unknown, pointer: string): Query {
  if (!isObject(query)) throw criteriaRefusal('an idtype-value query is an object of type and value', pointer);
  const unknown = findUnknownMember(query, ['type', 'value']);
  if (unknown !== undefined) throw criteriaRefusal('an idtype-value query has type and value only', pointer);
  const typePointer = childPointer(pointer, 'type');
  const valuePointer = childPointer(pointer, 'value');
  if (typeof query['type'] !== 'string') throw criteriaRefusal('type must name an identifier type', typePointer);
  return { condition: { kind: 'identifier', type: query['type'], value: query['value'], typePointer, valuePointer } };
}

import type { TSchema } from 'typebox';
import type { Sensitivity } from '../profiles/profile.ts';
import { type FieldRule, givesClass } from './field-rules.ts';

interface SchemaNode {
  readonly sensitivity?: Sensitivity;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly items?: SchemaNode;
}

/**
 * The part of `document` that `rule` gives. A field's class is the annotation nearest above it in the schema; what the
 * schema does not know is not given. A container with a class of its own that is not given is left out whole, whatever
 * the classes of what is in it. Containers that end up empty are left out; `@type` stays where anything does.
 */
export function filterFields(rule: FieldRule, schema: TSchema, document: Record<string, unknown>): Record<string, unknown> {
  return (filterValue(rule, schema, undefined, document) ?? {}) as Record<string, unknown>;
}

function filterValue(rule: FieldRule, node: SchemaNode, inherited: Sensitivity | undefined, value: unknown): unknown {
  if (node.sensitivity !== undefined && !givesClass(rule, node.sensitivity)) return undefined;
  const sensitivity = node.sensitivity ?? inherited;
  if (Array.isArray(value)) {
    const { items } = node;
    if (items === undefined) return givesClass(rule, sensitivity) ? value : undefined;
    const given = value.map((entry) => filterValue(rule, items, sensitivity, entry)).filter((entry) => entry !== undefined);
    return given.length === 0 ? undefined : given;
  }
  if (typeof value !== 'object' || value === null || node.properties === undefined)
    return givesClass(rule, sensitivity) ? value : undefined;
  return filterObject(rule, node.properties, sensitivity, value as Record<string, unknown>);
}

function filterObject(
  rule: FieldRule,
  properties: Readonly<Record<string, SchemaNode>>,
  inherited: Sensitivity | undefined,
  value: Record<string, unknown>,
): Record<string, unknown> | undefined {
  const given: Record<string, unknown> = {};
  for (const [name, entry] of Object.entries(value)) {
    const node = Object.hasOwn(properties, name) ? properties[name] : undefined;
    if (node === undefined || name === '@type') continue;
    const kept = filterValue(rule, node, inherited, entry);
    if (kept !== undefined) given[name] = kept;
  }
  if (Object.keys(given).length === 0) return undefined;
  return typeof value['@type'] === 'string' ? { '@type': value['@type'], ...given } : given;
}

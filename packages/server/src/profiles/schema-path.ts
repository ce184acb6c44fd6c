import type { TSchema } from 'typebox';
import type { PlaceLevel, Sensitivity } from './profile.ts';

/** What the profiles read of a JSON Schema: the keywords their field builders write (`fields.ts`). */
export interface SchemaNode {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly required?: readonly string[];
  readonly patternProperties?: Readonly<Record<string, SchemaNode>>;
  readonly additionalProperties?: boolean;
  readonly items?: SchemaNode;
  readonly enum?: readonly string[];
  readonly const?: string;
  readonly format?: string;
  readonly precision?: string;
  readonly maxLength?: number;
  readonly maxItems?: number;
  readonly sensitivity?: Sensitivity;
  readonly place?: PlaceLevel;
  readonly ofOthers?: boolean;
  readonly synonyms?: Readonly<Record<string, string>>;
}

export function schemaNode(schema: TSchema): SchemaNode {
  return schema;
}

/** The nodes on the way along a dotted path, the root first; lists are passed through. Undefined when the schema has no such path. */
export function findSchemaTrail(root: SchemaNode, path: string): readonly SchemaNode[] | undefined {
  const trail = [root];
  for (const segment of path.split('.')) {
    const next = property(trail.at(-1), segment);
    if (next === undefined) return undefined;
    trail.push(next);
  }
  return trail;
}

/** Paths to the leaves below a node, which is at `path`; without the names of types. */
export function listLeafPaths(node: SchemaNode, path: string): readonly string[] {
  const { properties } = node.items ?? node;
  if (properties === undefined) return [path];
  return Object.entries(properties).flatMap(([name, inner]) =>
    name === '@type' ? [] : listLeafPaths(inner, path === '' ? name : `${path}.${name}`),
  );
}

function property(node: SchemaNode | undefined, name: string): SchemaNode | undefined {
  const holder = node?.items ?? node;
  return holder?.properties !== undefined && Object.hasOwn(holder.properties, name) ? holder.properties[name] : undefined;
}

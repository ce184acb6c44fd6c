import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv, type ValidateFunction } from 'ajv';
import { fullFormats } from 'ajv-formats/dist/formats.js';
import { describe } from 'vitest';
import { parse } from 'yaml';

/**
 * The published OpenAPI of a registry as JSON Schema, for tests to hold messages against. The files are read from
 * `DCI_SPEC_DIR`; nothing of them is kept in this repository.
 */

/** The folder of the published files, if the environment names one. */
export const specDir: string | undefined = process.env['DCI_SPEC_DIR'] || undefined;

const FILES = {
  social: 'social_api_v1.0.0.yaml',
  crvs: 'crvs_api_v1.0.0.yaml',
  dr: 'dr_api_v1.0.0.yaml',
  fr: 'fr_api_v1.0.0.yaml',
  ibr: 'ibr_api_v1.0.0.yaml',
  authz: 'authz_core_api_v1.0.0.yaml',
  jwks: 'jwks_core_api_v1.0.0.yaml',
  locations: 'locations_core_api_v1.0.0.yaml',
} as const;

export type PublishedFile = keyof typeof FILES;

/** A JSON Schema, or any other object that stands in an OpenAPI document. */
export type SchemaNode = Readonly<Record<string, unknown>>;

export interface PublishedSchema {
  /** Accepts what may be sent to a path, e.g. `/registry/search`. */
  request(path: string): ValidateFunction;
  /** Accepts what a path may answer; `default` is every status that the document does not name. */
  response(path: string, status?: string): ValidateFunction;
  requestSchema(path: string): SchemaNode;
  /** What a pointer such as `#/components/schemas/Error` leads to. */
  resolve(pointer: string): SchemaNode;
}

/** `describe`, but skipped with its reason printed where the published files are missing. */
export function describeWithSpec(name: string, body: () => void): void {
  if (specDir !== undefined) describe(name, body);
  else {
    process.stderr.write(`skipped: ${name}: DCI_SPEC_DIR is not set\n`);
    describe.skip(`${name} (DCI_SPEC_DIR is not set)`, body);
  }
}

const loaded = new Map<PublishedFile, PublishedSchema>();

/** The published schema of a registry; read once. */
export function publishedSchema(file: PublishedFile): PublishedSchema {
  const known = loaded.get(file);
  if (known !== undefined) return known;
  const schema = load(file);
  loaded.set(file, schema);
  return schema;
}

function load(file: PublishedFile): PublishedSchema {
  if (specDir === undefined) throw new Error('DCI_SPEC_DIR is not set');
  const document: SchemaNode = parse(readFileSync(join(specDir, 'openapi', FILES[file]), 'utf8'));
  const ajv = new Ajv({ strict: false, allErrors: true, formats: fullFormats });
  ajv.addSchema({ $id: file, ...document });
  const resolve = (pointer: string) => resolvePointer(document, pointer);
  const compile = (pointer: string) => ajv.getSchema(`${file}${pointer}`) ?? ajv.compile({ $ref: `${file}${pointer}` });
  return {
    request: (path) => compile(requestPointer(document, path)),
    response: (path, status = 'default') => compile(responsePointer(document, path, status)),
    requestSchema: (path) => resolve(requestPointer(document, path)),
    resolve,
  };
}

function requestPointer(document: SchemaNode, path: string): string {
  return assertThere(document, `#/paths/${escapeSegment(path)}/post/requestBody/content/application~1json/schema`);
}

function responsePointer(document: SchemaNode, path: string, status: string): string {
  const operation = 'post' in resolvePointer(document, `#/paths/${escapeSegment(path)}`) ? 'post' : 'get';
  const pointer = `#/paths/${escapeSegment(path)}/${operation}/responses/${status}`;
  const { $ref } = resolvePointer(document, pointer);
  return assertThere(document, `${typeof $ref === 'string' ? $ref : pointer}/content/application~1json/schema`);
}

function assertThere(document: SchemaNode, pointer: string): string {
  resolvePointer(document, pointer);
  return pointer;
}

function resolvePointer(document: SchemaNode, pointer: string): SchemaNode {
  let node: unknown = document;
  for (const segment of pointer.split('/').slice(1)) {
    const name = decodeURIComponent(segment).replaceAll('~1', '/').replaceAll('~0', '~');
    node = typeof node === 'object' && node !== null ? (node as SchemaNode)[name] : undefined;
  }
  if (typeof node !== 'object' || node === null) throw new Error(`the published document has no ${pointer}`);
  return node as SchemaNode;
}

function escapeSegment(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1');
}

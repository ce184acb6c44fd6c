import { compileParser, DciError } from '@dci/protocol';
import { type Static, type TSchema, Type } from 'typebox';
import { findIdentifierType } from '../profiles/index.ts';
import type { Profile } from '../profiles/profile.ts';
import type { RecordReference } from '../registry/change-records.ts';
import type { WriteOperation } from '../registry/write-operations.ts';

/** What the registry's own systems send to change it. Members that are not declared are refused. */

const closed = { additionalProperties: false };

const Reference = Type.Object({ identifier_type: Type.String(), identifier_value: Type.String() }, closed);
const TypeName = Type.Optional(Type.String({ description: 'the record type or entity, where the record does not say it (@type)' }));
const Document = Type.Object({}, { additionalProperties: true, description: 'a record in the shape of the standard' });
const Version = Type.Integer({ minimum: 1, description: 'the version that the record is known to have' });

const Create = Type.Object({ op: Type.Literal('create'), record: Document, record_type: TypeName }, closed);
const Put = Type.Object({ op: Type.Literal('put'), record: Document, record_type: TypeName }, closed);
const Update = Type.Object({ op: Type.Literal('update'), record: Document, record_type: TypeName, version: Version }, closed);
const Delete = Type.Object({ op: Type.Literal('delete'), identifier: Reference, version: Type.Optional(Version) }, closed);
const Link = Type.Object({ op: Type.Literal('link'), group: Reference, member: Reference, head: Type.Optional(Type.Boolean()) }, closed);
const Unlink = Type.Object({ op: Type.Literal('unlink'), group: Reference, member: Reference }, closed);

export const MOST_OPERATIONS = 1_000;

const requestOf = <Operation extends TSchema>(operation: Operation) =>
  Type.Object(
    {
      reg_type: Type.Optional(Type.String({ description: 'the registry, where the path names none' })),
      operations: Type.Array(operation, {
        minItems: 1,
        maxItems: MOST_OPERATIONS,
        description: `a list of 1 to ${MOST_OPERATIONS} operations`,
      }),
    },
    closed,
  );

/** For the API's page. */
export const WriteRequest = requestOf(Type.Union([Create, Put, Update, Delete, Link, Unlink]));

const parseOuter = compileParser(requestOf(Type.Object({ op: Type.String() }, { additionalProperties: true })), '');

export interface ParsedWriteRequest {
  readonly regType: string | undefined;
  /** Names are found in the registry that is written to. */
  readonly read: (profile: Profile) => WriteOperation[];
  readonly count: number;
}

/** @throws DciError `err.request.bad` with the pointer of the fault */
export function parseWriteRequest(value: unknown): ParsedWriteRequest {
  const { reg_type: regType, operations } = parseOuter(value);
  const readers = operations.map((operation, index) => parseOperation(operation, `/operations/${index}`));
  return { regType, count: readers.length, read: (profile) => readers.map((read) => read(profile)) };
}

type ReadOperation = (profile: Profile) => WriteOperation;

function parseOperation(operation: { readonly op: string }, pointer: string): ReadOperation {
  const parser = Object.hasOwn(PARSERS, operation.op) ? PARSERS[operation.op] : undefined;
  if (parser === undefined)
    throw new DciError('err.request.bad', `op must be one of ${Object.keys(PARSERS).join(', ')}`, { pointer: `${pointer}/op` });
  return parser(operation, pointer);
}

function parserOf<S extends TSchema>(
  schema: S,
  read: (operation: Static<S>, profile: Profile, pointer: string) => WriteOperation,
): (operation: unknown, pointer: string) => ReadOperation {
  const parse = compileParser(schema, '');
  return (operation, pointer) => {
    const parsed = within(pointer, () => parse(operation));
    return (profile) => read(parsed, profile, pointer);
  };
}

function within<T>(pointer: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof DciError)) throw error;
    throw new DciError(error.code, error.message, { pointer: `${pointer}${error.pointer ?? ''}` });
  }
}

const PARSERS: Readonly<Record<string, (operation: unknown, pointer: string) => ReadOperation>> = {
  create: parserOf(Create, ({ record, record_type: typeName }) => ({ op: 'create', document: record, typeName })),
  put: parserOf(Put, ({ record, record_type: typeName }) => ({ op: 'put', document: record, typeName })),
  update: parserOf(Update, ({ record, record_type: typeName, version }) => ({ op: 'update', document: record, typeName, version })),
  delete: parserOf(Delete, ({ identifier, version }, profile, pointer) => ({
    op: 'delete',
    record: readReference(profile, identifier, `${pointer}/identifier`),
    version,
  })),
  link: parserOf(Link, ({ group, member, head }, profile, pointer) => ({
    op: 'link',
    ...readPair(profile, group, member, pointer),
    isHead: head,
  })),
  unlink: parserOf(Unlink, ({ group, member }, profile, pointer) => ({ op: 'unlink', ...readPair(profile, group, member, pointer) })),
};

type WrittenReference = Static<typeof Reference>;

/** An identifier type that groups and persons carry means in each place what can stand there. */
function readPair(
  profile: Profile,
  group: WrittenReference,
  member: WrittenReference,
  pointer: string,
): { group: RecordReference; member: RecordReference } {
  const holders = profile.recordTypes.filter((type) => type.members !== undefined);
  const held = holders.flatMap((type) => type.members?.recordType ?? []);
  return {
    group: readReference(
      profile,
      group,
      `${pointer}/group`,
      holders.map((type) => type.name),
    ),
    member: readReference(profile, member, `${pointer}/member`, held),
  };
}

function readReference(profile: Profile, written: WrittenReference, pointer: string, among?: readonly string[]): RecordReference {
  const { identifier_type: name, identifier_value: value } = written;
  const types = among === undefined ? [findIdentifierType(profile, name)] : among.map((type) => findIdentifierType(profile, name, type));
  const type = types.find((candidate) => candidate?.unique === true);
  if (type === undefined)
    throw new DciError('err.request.bad', 'identifier_type must be one by which a record of this registry is known', {
      pointer: `${pointer}/identifier_type`,
    });
  return { recordType: type.recordType, type: type.code, value };
}

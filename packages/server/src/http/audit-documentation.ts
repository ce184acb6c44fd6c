import type { FastifySchema } from 'fastify';
import { Type } from 'typebox';

/** What the API's page says of `audit/…`. */

const Time = (description: string) => Type.Optional(Type.String({ format: 'date-time', description }));
const Limit = Type.Optional(Type.Integer({ minimum: 1, maximum: 500, default: 100 }));
const Cursor = Type.Optional(Type.String({ description: 'next_cursor of the page before; good for the same question only' }));
const Since = Time('From this moment on');
const Until = Time('Before this moment');

const Entry = Type.Object({
  chain: Type.Integer(),
  seq: Type.Integer({ description: 'Number in its chain, without gaps' }),
  at: Type.String({ format: 'date-time' }),
  link: Type.String({ description: 'Base64url SHA-256 over the link before it, the time and the rest of the entry' }),
  partner_id: Type.String(),
  sender_id: Type.String(),
  remote_address: Type.String(),
  action: Type.String({ description: 'search, write, audit/read, …' }),
  registry: Type.String(),
  message_id: Type.String(),
  transaction_id: Type.Optional(Type.String()),
  correlation_id: Type.Optional(Type.String()),
  legal_basis: Type.Optional(Type.String()),
  purposes: Type.Array(Type.String()),
  field_rule: Type.Optional(Type.String()),
  outcome: Type.String({ description: 'answered, or the code of the refusal' }),
  item_count: Type.Integer(),
  record_count: Type.Integer(),
  records: Type.Array(Type.String(), { description: 'Ids of all records that were disclosed' }),
  query: Type.Optional(Type.Unknown({ description: 'What was asked; values that point at a person are hashed' })),
  disclosed: Type.Unknown({ description: 'Which records were given as which entity' }),
});
const Entries = Type.Object({ entries: Type.Array(Entry), next_cursor: Type.Optional(Type.String()) });

const Refusal = Type.Object({
  errors: Type.Array(Type.Object({ code: Type.String(), message: Type.String(), pointer: Type.Optional(Type.String()) })),
});
const REFUSALS = {
  400: { description: 'The question is not understood', ...Refusal },
  401: { description: 'No valid token', ...Refusal },
  403: { description: 'Not open to this partner', ...Refusal },
  429: { description: 'The limit is spent; see Retry-After', ...Refusal },
  503: { description: 'Cannot answer now; see Retry-After', ...Refusal },
};
const COMMON = { tags: ['audit'], security: [{ bearer: [] }] };

export const ENTRIES_DOCUMENTATION: FastifySchema = {
  ...COMMON,
  summary: 'Read the audit trail, the newest entries first',
  description:
    'Entries about the registries whose records are all open to the auditor. That they were read is an entry as well. Scope: audit/read.',
  querystring: Type.Object({
    since: Since,
    until: Until,
    partner: Type.Optional(Type.String({ description: 'sender_id' })),
    action: Type.Optional(Type.String()),
    outcome: Type.Optional(Type.String()),
    record: Type.Optional(Type.String({ description: 'Id of a record, as entries name it' })),
    limit: Limit,
    cursor: Cursor,
  }),
  response: { 200: { description: 'A page', ...Entries }, ...REFUSALS },
};

export const PERSON_DOCUMENTATION: FastifySchema = {
  ...COMMON,
  summary: 'Read who saw a person',
  description:
    'By an identifier that the record has or ever had, also where it was deleted or erased since; for answering the person. Somebody unknown has no entries. Only of a registry whose records are all open to the auditor. Scope: audit/read.',
  body: Type.Object({
    registry: Type.String(),
    identifier_type: Type.String(),
    identifier_value: Type.String(),
    since: Since,
    until: Until,
    limit: Limit,
    cursor: Cursor,
  }),
  response: { 200: { description: 'A page', ...Entries }, ...REFUSALS },
};

export const CHECKPOINTS_DOCUMENTATION: FastifySchema = {
  ...COMMON,
  summary: 'Read the signed checkpoints of the audit trail',
  description:
    'Each says where the chains stood, signed with a key of .well-known/jwks.json. Whoever keeps them can later tell whether entries were taken away or written anew. Scope: audit/read.',
  querystring: Type.Object({
    after: Type.Optional(Type.Integer({ minimum: 0, description: 'Number of the last one that is known' })),
    limit: Limit,
  }),
  response: {
    200: {
      description: 'In the order of their numbers',
      ...Type.Object({
        checkpoints: Type.Array(Type.Object({ number: Type.Integer(), at: Type.String({ format: 'date-time' }), jws: Type.String() })),
      }),
    },
    ...REFUSALS,
  },
};

import type { FastifySchema } from 'fastify';
import { Type } from 'typebox';
import { WriteRequest } from '../services/write-request.ts';
import { PROBLEM_TYPES } from './problem-details.ts';

/** What the API's page says of writing records. */
const Problem = Type.Object({
  type: Type.Enum(PROBLEM_TYPES),
  title: Type.String(),
  status: Type.Integer(),
  detail: Type.String(),
  errors: Type.Optional(Type.Array(Type.Object({ pointer: Type.String(), detail: Type.String() }))),
  operation: Type.Optional(Type.Integer({ description: 'place in the list of the operation that is refused' })),
  current_version: Type.Optional(Type.Integer({ description: 'with version-conflict: the version that the record has' })),
});

export const WRITE_DOCUMENTATION: FastifySchema = {
  tags: ['records'],
  summary: 'Change the registry',
  description:
    'For the registry’s own systems: creates, updates, deletes, links and unlinks records. One request is one transaction: all of its operations or none. An update names the version it was made from. With an Idempotency-Key the same request may be sent again for a day: it is carried out once and answered alike. No signed message; refusals are problem details (RFC 9457).',
  security: [{ bearer: [] }],
  headers: Type.Object({
    'idempotency-key': Type.Optional(
      Type.String({ description: '1 to 255 visible characters, of the caller’s choice; a new one for each request' }),
    ),
  }),
  body: WriteRequest,
  response: {
    200: Type.Object(
      {
        results: Type.Array(
          Type.Object({
            op: Type.String(),
            status: Type.Enum(['created', 'updated', 'unchanged', 'deleted', 'linked', 'unlinked']),
            record_type: Type.String(),
            version: Type.Integer({ description: 'of the record; of a link, that of the group' }),
          }),
        ),
      },
      { description: 'What became of each operation, in their order' },
    ),
    ...Object.fromEntries(
      [
        [400, 'The request cannot be understood'],
        [401, 'No valid token'],
        [403, 'Not open to this partner'],
        [404, 'A record that must be there is not'],
        [409, 'The record is there already or has another version, or the key belongs to another request'],
        [413, 'The request is too large'],
        [415, 'Not application/json'],
        [422, 'An operation does not fit the registry'],
        [429, 'The limit is spent; see Retry-After'],
        [503, 'Cannot answer now; see Retry-After'],
      ].map(([status, description]) => [status, problem(String(description))]),
    ),
  },
};

function problem(description: string): object {
  return { description, content: { 'application/problem+json': { schema: Problem } } };
}

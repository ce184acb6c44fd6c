import type { FastifySchema } from 'fastify';
import { Type } from 'typebox';

/** What the API's page says of `registry/extracts/…`. */

const Refusal = Type.Object({
  errors: Type.Array(Type.Object({ code: Type.String(), message: Type.String(), pointer: Type.Optional(Type.String()) })),
});
const REFUSALS = {
  401: { description: 'No valid token', ...Refusal },
  403: { description: 'Not open to this partner', ...Refusal },
  404: { description: 'There is no such extract of this partner, or it has expired, or was made under other terms', ...Refusal },
  429: { description: 'The limit is spent; see Retry-After', ...Refusal },
  503: { description: 'Cannot answer now; see Retry-After', ...Refusal },
};
const COMMON = {
  tags: ['extracts'],
  security: [{ bearer: [] }],
  params: Type.Object({ id: Type.String({ description: 'extract_id of on-export' }) }),
};

export const CONTENT_DOCUMENTATION: FastifySchema = {
  ...COMMON,
  summary: 'Extension, not part of the standard: fetch the content of an extract',
  description:
    'The sealed file that the manifest describes, for the partner that asked for it, until it expires; in parts too (Range, If-Range). Needs the scope registry/export.',
  headers: Type.Object({
    range: Type.Optional(Type.String({ description: 'one range of bytes, e.g. bytes=1048576-' })),
    'if-range': Type.Optional(Type.String({ description: 'ETag of the answer that broke off' })),
  }),
  response: {
    200: { description: 'The whole, as application/octet-stream', type: 'string', format: 'binary' },
    206: { description: 'The part that was asked for', type: 'string', format: 'binary' },
    416: { description: 'No byte of it is there; Content-Range says how many there are', ...Refusal },
    ...REFUSALS,
  },
};

export const MANIFEST_DOCUMENTATION: FastifySchema = {
  ...COMMON,
  summary: 'Extension, not part of the standard: fetch the manifest of an extract',
  description: 'A compact JWS (application/jose), signed by a key of .well-known/jwks.json. Needs the scope registry/export.',
  response: { 200: { description: 'The manifest', type: 'string' }, ...REFUSALS },
};

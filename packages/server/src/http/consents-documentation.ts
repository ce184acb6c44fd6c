import type { FastifySchema } from 'fastify';
import { Type } from 'typebox';
import { ConsentRequest } from '../services/write-consents.ts';
import { WRITE_DOCUMENTATION } from './records-documentation.ts';

/** What the API's page says of writing consents. */
export const CONSENT_DOCUMENTATION: FastifySchema = {
  ...WRITE_DOCUMENTATION,
  tags: ['consents'],
  summary: 'Write down what people consent to',
  description:
    'For the registry’s own systems, whose agreement covers all of its records: gives, renews and withdraws consents. One request is one transaction, and counts from the moment it is answered. With an Idempotency-Key the same request may be sent again for a day: it is carried out once and answered alike. No signed message; refusals are problem details (RFC 9457).',
  body: ConsentRequest,
  response: {
    ...(WRITE_DOCUMENTATION.response as object),
    200: Type.Object(
      {
        results: Type.Array(
          Type.Object({
            op: Type.Enum(['give', 'renew', 'withdraw']),
            consent_id: Type.String(),
            state: Type.Enum(['valid', 'not-yet', 'expired', 'withdrawn', 'erased']),
          }),
        ),
      },
      { description: 'What became of each operation, in their order' },
    ),
  },
};

import type { FastifySchema } from 'fastify';
import { Type } from 'typebox';

/** What the API's page says of the token endpoint. */
export const TOKEN_DOCUMENTATION: FastifySchema = {
  tags: ['authorization'],
  summary: 'Get an access token',
  description:
    'The client-credentials grant of RFC 6749. The client presents itself in the body or by HTTP Basic, not both. Refusals are those of RFC 6749, section 5.2.',
  consumes: ['application/x-www-form-urlencoded', 'application/json'],
  body: Type.Object({
    grant_type: Type.Literal('client_credentials'),
    client_id: Type.Optional(Type.String()),
    client_secret: Type.Optional(Type.String()),
    scope: Type.Optional(Type.String({ description: 'Scopes separated by blanks; absent: all that the client has' })),
  }),
  response: {
    200: Type.Object(
      {
        access_token: Type.String(),
        token_type: Type.Literal('Bearer'),
        expires_in: Type.Integer({ description: 'Seconds' }),
        scope: Type.String(),
      },
      { description: 'A bearer token, to be sent as Authorization: Bearer …' },
    ),
    400: refusal('The request is not one that is served'),
    401: refusal('The client is not known or its secret is another'),
    413: refusal('The body is too large'),
    429: refusal('Asked too often; see Retry-After'),
    503: refusal('Too busy; see Retry-After'),
  },
};

function refusal(description: string): object {
  return Type.Object({ error: Type.String(), error_description: Type.String() }, { description });
}

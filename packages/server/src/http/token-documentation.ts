import type { FastifySchema } from 'fastify';
import { Type } from 'typebox';

/** What the API's page says of the endpoints for tokens. */

const CLIENT = {
  client_id: Type.Optional(Type.String()),
  client_secret: Type.Optional(Type.String()),
  client_assertion_type: Type.Optional(Type.String({ description: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer' })),
  client_assertion: Type.Optional(
    Type.String({ description: 'A JWT for this endpoint or its issuer: iss and sub the client id, jti, exp within 5 minutes' }),
  ),
};

export const TOKEN_DOCUMENTATION: FastifySchema = {
  tags: ['authorization'],
  summary: 'Get an access token',
  description:
    'The client-credentials grant of RFC 6749. The client presents itself by its secret, in the body or by HTTP Basic, or by an assertion signed with a key of its own (private_key_jwt, RFC 7523), in one way only. Refusals are those of RFC 6749, section 5.2.',
  consumes: ['application/x-www-form-urlencoded', 'application/json'],
  body: Type.Object({
    grant_type: Type.Literal('client_credentials'),
    ...CLIENT,
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

export const REVOCATION_DOCUMENTATION: FastifySchema = {
  tags: ['authorization'],
  summary: 'Revoke an access token',
  description: 'RFC 7009. The client presents itself as for a token. What is no token, or has ended, is answered 200 too.',
  consumes: ['application/x-www-form-urlencoded', 'application/json'],
  body: Type.Object({ token: Type.String(), token_type_hint: Type.Optional(Type.String({ description: 'Not needed' })), ...CLIENT }),
  response: {
    200: Type.Object({}, { description: 'The token is not accepted any more; on all nodes within a second' }),
    400: refusal('The request is not one that is served, or the token was issued to another client'),
    401: refusal('The client is not known or its secret is another'),
    413: refusal('The body is too large'),
    429: refusal('Asked too often; see Retry-After'),
    503: refusal('Too busy; see Retry-After'),
  },
};

function refusal(description: string): object {
  return Type.Object({ error: Type.String(), error_description: Type.String() }, { description });
}

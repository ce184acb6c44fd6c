import type { FastifySchema } from 'fastify';
import { Type } from 'typebox';

/** What the API's page says of the public documents. */

const Jwk = Type.Object(
  {
    kty: Type.String(),
    kid: Type.String({ description: 'RFC 7638 thumbprint' }),
    use: Type.Union([Type.Literal('sig'), Type.Literal('enc')]),
    alg: Type.String(),
  },
  { additionalProperties: true },
);

const Place = Type.Object({
  '@type': Type.Literal('Place'),
  id: Type.String(),
  identifier: Type.Array(Type.Object({ '@type': Type.Literal('PropertyValue'), name: Type.String(), identifier: Type.String() })),
  name: Type.String(),
  additional_type: Type.String(),
  contained_in_place: Type.Union([Type.String(), Type.Null()]),
  containedInPlace: Type.Union([Type.String(), Type.Null()]),
});

const NotModified = Type.Null({ description: 'Not changed since the ETag in If-None-Match' });

export const JWKS_DOCUMENTATION: FastifySchema = {
  tags: ['well-known'],
  summary: 'Our public keys: to check our signatures with (sig), to encrypt messages to us with (enc)',
  response: { 200: Type.Object({ keys: Type.Array(Jwk) }, { description: 'A JWKS (RFC 7517)' }), 304: NotModified },
};

export const AUTHORIZATION_SERVER_DOCUMENTATION: FastifySchema = {
  tags: ['well-known'],
  summary: 'Where and how tokens are issued and revoked',
  response: {
    200: Type.Object(
      { issuer: Type.String(), token_endpoint: Type.String(), revocation_endpoint: Type.String(), jwks_uri: Type.String() },
      { additionalProperties: true, description: 'Authorization server metadata (RFC 8414)' },
    ),
    304: NotModified,
  },
};

export const LOCATIONS_DOCUMENTATION: FastifySchema = {
  tags: ['well-known'],
  summary: 'The tree of places',
  response: {
    200: Type.Object(
      {
        '@context': Type.Record(Type.String(), Type.String()),
        '@type': Type.Literal('LocationHierarchy'),
        last_updated: Type.Optional(Type.String({ format: 'date-time' })),
        locations: Type.Array(Place),
      },
      { description: 'All places, each with the code of the place around it' },
    ),
    304: NotModified,
  },
};

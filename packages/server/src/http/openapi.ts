import {
  Acknowledgement,
  CallbackHeader,
  EncryptedMessage,
  ExistsRequest,
  ExistsResponse,
  ExportRequest,
  ExportResponse,
  MatchRequest,
  MatchResponse,
  NotifyRequest,
  RequestHeader,
  SearchRequest,
  SearchResponse,
  StatisticsRequest,
  StatisticsResponse,
  SubscribeRequest,
  SubscribeResponse,
  TxnStatusRequest,
  TxnStatusResponse,
  UnsubscribeRequest,
  UnsubscribeResponse,
} from '@dci/protocol';
import type { FastifyDynamicSwaggerOptions } from '@fastify/swagger';
import type { FastifySchema } from 'fastify';
import { type TSchema, Type } from 'typebox';
import type { Profile } from '../profiles/profile.ts';

/** What the API's page says. Messages are described by the very schemas that read and write them. */
export function openApiDocument(): FastifyDynamicSwaggerOptions {
  return {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'DCI server',
        description:
          'Registry interfaces of the Digital Convergence Initiative (SPDCI) 1.0.0. Messages are signed envelopes; get a token at oauth2/client/token first.',
        version: '0.1.0',
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } } },
      tags: [
        { name: 'search', description: 'Search a registry' },
        { name: 'inbox', description: 'What other registries send here: answers to requests of this server, and notifications' },
        { name: 'statistics', description: 'Count what is in a registry: an extension of this server' },
        { name: 'extracts', description: 'Microdata for research, a row a record: an extension of this server' },
        { name: 'coordination', description: 'Find out whom several programmes have in common: extensions of this server' },
        { name: 'records', description: 'Change a registry' },
        { name: 'audit', description: 'Read the audit trail' },
        { name: 'authorization', description: 'Access tokens' },
        { name: 'well-known', description: 'Public keys and places' },
      ],
    },
  };
}

const Signature = Type.Optional(
  Type.String({
    description:
      'Signature over {header, message}: namespace="dci", kidId="…", algorithm="…", created="…", expires="…", headers="(created) (expires) digest", signature="…"; or a compact JWS, its payload attached or detached',
  }),
);
const Errors = Type.Array(Type.Object({ code: Type.String(), message: Type.String(), pointer: Type.Optional(Type.String()) }));
const ErrorMember = Type.Object({ code: Type.String(), message: Type.String() });

/** In clear, or as a JWE where the header says so. */
function encryptable<T extends TSchema>(message: T) {
  return Type.Union([message, EncryptedMessage]);
}

const SignedRefusal = Type.Object({ signature: Signature, header: CallbackHeader, errors: Errors, error: ErrorMember });
const PlainRefusal = Type.Object({
  errors: Errors,
  message: Type.Object({
    ack_status: Type.Literal('ERR'),
    timestamp: Type.String({ format: 'date-time' }),
    correlation_id: Type.String(),
    error: ErrorMember,
  }),
});

export function searchDocumentation(mounted: Profile | undefined): FastifySchema {
  return {
    tags: ['search'],
    summary: `Search ${whereOf(mounted)}`,
    description:
      'Query types: idtype-value, predicate, expression. An item that cannot be served is refused by its reason code; the others are answered.',
    security: [{ bearer: [] }],
    body: Type.Object({ signature: Signature, header: RequestHeader, message: encryptable(SearchRequest) }),
    response: {
      200: describe(
        'A signed envelope; without message where the header was refused',
        Type.Object({ signature: Signature, header: CallbackHeader, message: Type.Optional(encryptable(SearchResponse)) }),
      ),
      400: describe('The message cannot be understood', SignedRefusal),
      401: describe('No valid token, or no valid signature', PlainRefusal),
      403: describe('Not open to this partner', PlainRefusal),
      413: describe('The message is too large', SignedRefusal),
      415: describe('Not application/json', SignedRefusal),
      429: describe('The limit is spent; see Retry-After', SignedRefusal),
      503: describe('Cannot answer now; see Retry-After', SignedRefusal),
    },
  };
}

function whereOf(mounted: Profile | undefined): string {
  return mounted === undefined ? 'the registry that each item names in reg_type, or the default one' : `the registry "${mounted.registry}"`;
}

export function existsDocumentation(mounted: Profile | undefined): FastifySchema {
  return extensionDocumentation(mounted, {
    tag: 'coordination',
    summary: `Extension, not part of the standard: which of many identifiers are in ${whereOf(mounted)}`,
    description:
      'Up to 10,000 identifiers an item; the answer has those of records that the partner may see, and nothing else of them. Under every field rule that lets identifiers be asked for. Needs the scope registry/exists.',
    request: ExistsRequest,
    response: ExistsResponse,
  });
}

export function matchDocumentation(mounted: Profile | undefined): FastifySchema {
  return extensionDocumentation(mounted, {
    tag: 'coordination',
    summary: `Extension, not part of the standard: which records of ${whereOf(mounted)} seem to be of a person`,
    description:
      'Names, birth date, sex, place and telephone number are compared, each only where the partner is given it as it is; the answer tells how likely each match is, and why. Needs the scope registry/match.',
    request: MatchRequest,
    response: MatchResponse,
  });
}

interface Extension {
  readonly tag: string;
  readonly summary: string;
  readonly description: string;
  readonly request: TSchema;
  readonly response: TSchema;
}

function extensionDocumentation(mounted: Profile | undefined, { tag, summary, description, request, response }: Extension): FastifySchema {
  const search = searchDocumentation(mounted);
  return {
    ...search,
    tags: [tag],
    summary,
    description,
    body: Type.Object({ signature: Signature, header: RequestHeader, message: encryptable(request) }),
    response: {
      ...(search.response as object),
      200: describe(
        'A signed envelope; without message where the header was refused',
        Type.Object({ signature: Signature, header: CallbackHeader, message: Type.Optional(encryptable(response)) }),
      ),
    },
  };
}

export function statusDocumentation(mounted: Profile | undefined): FastifySchema {
  const { description: _, ...search } = searchDocumentation(mounted);
  return {
    ...search,
    summary: 'State of an earlier request',
    body: Type.Object({ signature: Signature, header: RequestHeader, message: TxnStatusRequest }),
    response: {
      ...(search.response as object),
      200: describe(
        'A signed envelope; header rjct where no such request of the asker is known',
        Type.Object({ signature: Signature, header: CallbackHeader, message: Type.Optional(TxnStatusResponse) }),
      ),
    },
  };
}

export function statisticsDocumentation(mounted: Profile | undefined): FastifySchema {
  return extensionDocumentation(mounted, {
    tag: 'statistics',
    summary: `Extension, not part of the standard: statistics of ${whereOf(mounted)}`,
    description:
      'How many records there are by up to three dimensions, never a record. Counts are off by a few, and small ones are not told. Needs the scope registry/statistics.',
    request: StatisticsRequest,
    response: StatisticsResponse,
  });
}

const ASKED: Readonly<Record<string, { readonly tag?: string; readonly summary: string; readonly message: TSchema }>> = {
  search: { summary: 'Search, answered by a callback (on-search)', message: SearchRequest },
  subscribe: { summary: 'Ask to be told of events (notify); told of by a callback (on-subscribe)', message: SubscribeRequest },
  unsubscribe: { summary: 'End subscriptions; told of by a callback (on-unsubscribe)', message: UnsubscribeRequest },
  'txn-status': { summary: 'State of an earlier request, answered by a callback (txn/on-status)', message: TxnStatusRequest },
  export: {
    tag: 'extracts',
    summary: 'Extension, not part of the standard: ask for an extract; told of by a callback (on-export) when it can be fetched',
    message: ExportRequest,
  },
};

export function acknowledgedDocumentation(action: string, mounted: Profile | undefined): FastifySchema {
  const { tag = 'search', summary = action, message = Type.Unknown() } = ASKED[action] ?? {};
  return {
    tags: [tag],
    summary: mounted === undefined ? summary : `${summary}: the registry "${mounted.registry}"`,
    description:
      'The answer goes to sender_uri if that is registered for the partner, else to the registered address. The same request again is acknowledged alike and done once.',
    security: [{ bearer: [] }],
    body: Type.Object({ signature: Signature, header: RequestHeader, message: encryptable(message) }),
    response: {
      202: describe('Taken: the answer follows', Acknowledgement),
      400: describe('Not taken; the text says why', PlainRefusal),
      401: describe('No valid token, or no valid signature', PlainRefusal),
      403: describe('Not open to this partner', PlainRefusal),
      413: describe('The message is too large', PlainRefusal),
      415: describe('Not application/json', PlainRefusal),
      429: describe('The limit is spent; see Retry-After', PlainRefusal),
      503: describe('Cannot answer now; see Retry-After', PlainRefusal),
    },
  };
}

const SENT: Readonly<Record<string, { readonly summary: string; readonly message: TSchema }>> = {
  'on-search': { summary: 'Another registry answers a search', message: SearchResponse },
  'on-subscribe': { summary: 'Another registry tells what came of asking to be told of events', message: SubscribeResponse },
  'on-unsubscribe': { summary: 'Another registry tells which subscriptions have ended', message: UnsubscribeResponse },
  'on-export': { summary: 'Another registry tells of an extract that was asked for', message: ExportResponse },
  'txn-on-status': { summary: 'Another registry tells the state of a request', message: TxnStatusResponse },
  notify: { summary: 'Another registry tells of events', message: NotifyRequest },
};

export function callbackDocumentation(action: string, mounted: Profile | undefined): FastifySchema {
  const { summary = action, message = Type.Unknown() } = SENT[action] ?? {};
  return {
    tags: ['inbox'],
    summary: mounted === undefined ? summary : `${summary}: under the registry "${mounted.registry}"`,
    description:
      'Taken from partners, by their signature, whether it belongs to a request of this server or not. A repeat is acknowledged alike and kept once. No token is needed; one that is sent must be good and of the partner who signs.',
    security: [{}, { bearer: [] }],
    body: Type.Object({ signature: Type.String(), header: CallbackHeader, message: encryptable(message) }),
    response: {
      200: describe('Taken', Acknowledgement),
      400: describe('Not taken; the text says why', PlainRefusal),
      401: describe('The sender is not known here, or the signature is not valid', PlainRefusal),
      413: describe('The message is too large', PlainRefusal),
      415: describe('Not application/json', PlainRefusal),
      429: describe('The limit is spent; see Retry-After', PlainRefusal),
      503: describe('Cannot answer now; see Retry-After', PlainRefusal),
    },
  };
}

function describe<T extends object>(description: string, schema: T): T & { description: string } {
  return { ...schema, description };
}

import { type Static, Type } from 'typebox';
import { OpenObject, ShortId } from '../formats.ts';
import { compileParser } from '../message-parser.ts';
import { AnsweredItem, AskedItem } from './item.ts';

/**
 * `match` and `on-match`: which records seem to be of a person of whom a few things are known. This project's extension:
 * the standard has no such action. Messages are built like those of a search.
 */

/** Most records that are told of one person. */
export const MOST_MATCHES = 20;

/**
 * What one item asks: who this may be. `person` is what is known of the person, in the form in which the registry would
 * answer it; fields that are not known are left out.
 *
 * Shapes: `least_probability` from 0.1 to 1, by default 0.5; `most` records, by default 5.
 *
 * @example
 * const criteria: MatchCriteria = {
 *   person: { name: { given_name: 'Aminata', surname: 'Diallo' }, birth_date: '1990-04-23', sex: 'female' },
 * };
 */
export type MatchCriteria = Static<typeof MatchCriteria>;
export const MatchCriteria = Type.Object(
  {
    version: Type.Optional(Type.String()),
    reg_type: Type.Optional(Type.String()),
    reg_record_type: Type.Optional(Type.String()),
    person: OpenObject,
    least_probability: Type.Optional(Type.Number({ minimum: 0.1, maximum: 1, description: 'a number from 0.1 to 1' })),
    most: Type.Optional(Type.Integer({ minimum: 1, maximum: MOST_MATCHES, description: `a whole number from 1 to ${MOST_MATCHES}` })),
    consent: Type.Optional(OpenObject),
    authorize: Type.Optional(OpenObject),
  },
  { additionalProperties: false },
);

/**
 * One item of a match.
 *
 * @example
 * const item: MatchItem = {
 *   reference_id: '1',
 *   timestamp: '2024-01-15T10:30:00Z',
 *   match_criteria: { person: { name: { surname: 'Diallo' }, birth_date: '1990-04-23' } },
 * };
 */
export type MatchItem = Static<typeof MatchItem>;
export const MatchItem = Type.Object({
  ...AskedItem,
  match_criteria: MatchCriteria,
});

/**
 * The message of `match`.
 *
 * @example
 * const request: MatchRequest = { transaction_id: 't-1', match_request: [] };
 */
export type MatchRequest = Static<typeof MatchRequest>;
export const MatchRequest = Type.Object({
  transaction_id: ShortId,
  match_request: Type.Array(MatchItem),
});

/**
 * Reads the message of `match`.
 *
 * @param message the decrypted `message` of an envelope; it is not changed
 * @throws DciError `err.request.bad` with the RFC 6901 pointer of the first fault, from `/message`
 *
 * @example
 * const { match_request } = parseMatchRequest(envelope.message);
 */
export const parseMatchRequest: (message: unknown) => MatchRequest = compileParser(MatchRequest, '/message');

/**
 * One thing that was compared: how it agrees, and how much that speaks for one person (above zero) or for two, in bits.
 *
 * @example
 * const evidence: MatchEvidence = { field: 'family_name', agreement: 'sounds alike', weight: 4.1 };
 */
export type MatchEvidence = Static<typeof MatchEvidence>;
export const MatchEvidence = Type.Object({ field: Type.String(), agreement: Type.String(), weight: Type.Number() });

/**
 * A record that may be of the person: how likely that is, why, and what the asker is given of it.
 *
 * @example
 * const match: PersonMatch = {
 *   probability: 0.9932,
 *   evidence: [{ field: 'birth_date', agreement: 'same', weight: 14.3 }],
 *   record: { '@type': 'SRPerson', name: { given_name: 'Aminata' } },
 * };
 */
export type PersonMatch = Static<typeof PersonMatch>;
export const PersonMatch = Type.Object({
  probability: Type.Number({ minimum: 0, maximum: 1 }),
  evidence: Type.Array(MatchEvidence),
  record: OpenObject,
});

/**
 * The answer to one item: matches with `succ`, the likeliest first; a reason with `rjct`.
 *
 * @example
 * const item: MatchResponseItem = {
 *   reference_id: '1', timestamp: '2024-01-15T10:30:01Z', status: 'succ',
 *   data: { reg_type: 'ns:org:RegistryType:Social', reg_record_type: 'SRPerson', matches: [] },
 * };
 */
export type MatchResponseItem = Static<typeof MatchResponseItem>;
export const MatchResponseItem = Type.Object({
  ...AnsweredItem,
  data: Type.Optional(
    Type.Object({
      reg_type: Type.String(),
      reg_record_type: Type.String(),
      matches: Type.Array(PersonMatch),
    }),
  ),
});

/**
 * The message of `on-match`, the answer of `sync/match`.
 *
 * @example
 * const response: MatchResponse = { transaction_id: 't-1', correlation_id: 'c-1', match_response: [] };
 */
export type MatchResponse = Static<typeof MatchResponse>;
export const MatchResponse = Type.Object({
  transaction_id: ShortId,
  correlation_id: ShortId,
  match_response: Type.Array(MatchResponseItem),
});

/**
 * Reads the answer to `match`.
 *
 * @throws DciError `err.request.bad` with the RFC 6901 pointer of the first fault, from `/message`
 *
 * @example
 * const { match_response } = parseMatchResponse(envelope.message);
 */
export const parseMatchResponse: (message: unknown) => MatchResponse = compileParser(MatchResponse, '/message');

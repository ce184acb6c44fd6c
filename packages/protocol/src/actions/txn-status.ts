import { type Static, Type } from 'typebox';
import { Locale, OpenObject, ShortId } from '../formats.ts';
import { compileParser } from '../message-parser.ts';
import { TXN_ATTRIBUTE_TYPES, TXN_TYPES } from '../registries/registry-wire.ts';
import { ExportResponseItem } from './export.ts';
import { SearchResponseItem } from './search.ts';
import { SubscribeResponseItem } from './subscribe.ts';

/** `txn-status` and `txn-on-status`: what became of an earlier request. */

/**
 * The message that asks for the state of a transaction. The types of all registries are read; a registry's own schema knows fewer.
 *
 * Source: `TxnStatusRequest` of the SPDCI OpenAPI 1.0.0.
 *
 * @example
 * const request: TxnStatusRequest = {
 *   transaction_id: 't-2',
 *   txnstatus_request: { reference_id: '1', txn_type: 'search', attribute_type: 'transaction_id', attribute_value: 't-1' },
 * };
 */
export type TxnStatusRequest = Static<typeof TxnStatusRequest>;
export const TxnStatusRequest = Type.Object({
  transaction_id: ShortId,
  txnstatus_request: Type.Object({
    reference_id: Type.String(),
    txn_type: Type.Enum(TXN_TYPES),
    attribute_type: Type.Enum(TXN_ATTRIBUTE_TYPES),
    attribute_value: Type.Union([ShortId, Type.Array(Type.String())], { description: 'an id of at most 99 characters, or a list of ids' }),
    locale: Type.Optional(Locale),
  }),
});

/**
 * Reads the message that asks for the state of a transaction.
 *
 * @throws DciError `err.request.bad` with the RFC 6901 pointer of the first fault, from `/message`
 *
 * @example
 * const { txnstatus_request } = parseTxnStatusRequest(envelope.message);
 */
export const parseTxnStatusRequest: (message: unknown) => TxnStatusRequest = compileParser(TxnStatusRequest, '/message');

/**
 * State of a search, a subscription or an export. The published schema knows searches only, so the answer about another
 * has an empty `search_response` beside its own.
 */
export type RequestState = Static<typeof RequestState>;
export const RequestState = Type.Object({
  transaction_id: ShortId,
  correlation_id: ShortId,
  search_response: Type.Array(SearchResponseItem),
  subscribe_response: Type.Optional(Type.Array(SubscribeResponseItem)),
  export_response: Type.Optional(Type.Array(ExportResponseItem)),
});

/** State of the receipt of a notification. */
export type ReceiptState = Static<typeof ReceiptState>;
export const ReceiptState = Type.Object({
  transaction_id: ShortId,
  receipt_information: Type.Object({ beneficiaries: Type.Optional(Type.Array(OpenObject)) }),
});

/**
 * The message of `txn-on-status` and of the answer of `sync/txn/status`.
 *
 * Source: `TxnStatusResponse` of the SPDCI OpenAPI 1.0.0.
 *
 * @example
 * const response: TxnStatusResponse = {
 *   transaction_id: 't-2',
 *   correlation_id: 'c-2',
 *   txnstatus_response: {
 *     txn_type: 'search',
 *     txn_status: { transaction_id: 't-1', correlation_id: 'c-1', search_response: [] },
 *   },
 * };
 */
export type TxnStatusResponse = Static<typeof TxnStatusResponse>;
export const TxnStatusResponse = Type.Object({
  transaction_id: ShortId,
  correlation_id: ShortId,
  txnstatus_response: Type.Object({
    txn_type: Type.Enum(TXN_TYPES),
    txn_status: Type.Union([RequestState, ReceiptState], { description: 'the state of a request, or of a receipt' }),
  }),
});

/**
 * Reads the state of a transaction.
 *
 * @throws DciError `err.request.bad` with the RFC 6901 pointer of the first fault, from `/message`
 *
 * @example
 * const { txnstatus_response } = parseTxnStatusResponse(envelope.message);
 */
export const parseTxnStatusResponse: (message: unknown) => TxnStatusResponse = compileParser(TxnStatusResponse, '/message');

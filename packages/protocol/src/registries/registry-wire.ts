/**
 * What differs on the wire from one registry of the standard to the next, as data. One file a registry declares a
 * `RegistryWire`; schemas and services read it, and nothing else in this package knows a registry by name.
 */

/** Transactions that a status may be asked for; `export` is this project's extension. */
export const TXN_TYPES = ['search', 'subscribe', 'unsubscribe', 'receipt', 'export'] as const;

/** By what a transaction may be asked for. */
export const TXN_ATTRIBUTE_TYPES = ['transaction_id', 'reference_id_list', 'correlation_id', 'subscription_code_list'] as const;

export type TxnType = (typeof TXN_TYPES)[number];
export type TxnAttributeType = (typeof TXN_ATTRIBUTE_TYPES)[number];

/**
 * The wire constants of one registry.
 *
 * Source: the registry's own SPDCI OpenAPI 1.0.0.
 *
 * @example
 * SOCIAL.notify.records; // 'object'
 */
export interface RegistryWire {
  /** Name in paths and in this project, e.g. `social`. */
  readonly registry: string;
  /** What is written as `reg_type`. */
  readonly regType: string;
  /** Names of the records, as in `@type` and `reg_record_type`. */
  readonly recordTypes: readonly string[];
  readonly search: {
    readonly queryTypes: readonly string[];
    /** What the published schema lists for `response_entity`. */
    readonly responseEntities: readonly string[];
    /** Whether `data.reg_record_type` must be written. */
    readonly needsRecordType: boolean;
  };
  readonly notify: {
    /** Values that the published schema lists for `reg_event_type`; events not among them leave the member out. `undefined`: any. */
    readonly eventTypes: readonly string[] | undefined;
    /** Whether `reg_records` of a notification is one record or a list. */
    readonly records: 'object' | 'list';
  };
  readonly txnStatus: {
    readonly types: readonly TxnType[];
    readonly attributeTypes: readonly TxnAttributeType[];
  };
}

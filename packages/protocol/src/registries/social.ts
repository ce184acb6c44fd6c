import type { RegistryWire } from './registry-wire.ts';

/**
 * The wire constants of the social registry.
 *
 * Source: `social_api_v1.0.0.yaml` of the SPDCI standard.
 *
 * @example
 * SOCIAL.recordTypes.includes('SRPerson'); // true
 */
export const SOCIAL = {
  registry: 'social',
  regType: 'ns:org:RegistryType:Social',
  recordTypes: ['SRPerson', 'Member', 'Group'],
  search: {
    queryTypes: ['idtype-value', 'expression', 'predicate'],
    responseEntities: ['Group', 'Member'],
    needsRecordType: false,
  },
  notify: { eventTypes: ['REGISTER', 'NewHouseHoldMember'], records: 'object' },
  txnStatus: {
    types: ['search', 'subscribe', 'receipt'],
    attributeTypes: ['transaction_id', 'reference_id_list', 'correlation_id'],
  },
} as const satisfies RegistryWire;

import { createPseudonyms } from '../disclosure/pseudonyms.ts';
import { createQueryDescriber } from '../disclosure/query-description.ts';
import { createCellProtection } from '../disclosure/tell-cells.ts';
import type { ExtractMakerParts } from './make-extract.ts';
import type { Sealer } from './sealer.ts';

/** What protects who is in an extract, as bytes that can be handed from thread to thread; each kept for one purpose. */
export interface ExtractKeys {
  /** What counts are off by, and what is left out: as in statistics. */
  readonly cells: Uint8Array;
  readonly pseudonyms: Uint8Array;
  /** What hides in the audit trail who was asked for. */
  readonly queries: Uint8Array;
}

export function deriveExtractKeys({ deriveKey }: Pick<Sealer, 'deriveKey'>): Readonly<Record<keyof ExtractKeys, Buffer>> {
  return { cells: deriveKey('statistics'), pseudonyms: deriveKey('pseudonym'), queries: deriveKey('audit query') };
}

export function openExtractKeys({ cells, pseudonyms, queries }: ExtractKeys): Pick<ExtractMakerParts, 'protection' | 'describeQuery'> {
  return {
    protection: { cells: createCellProtection(Buffer.from(cells)), pseudonyms: createPseudonyms(Buffer.from(pseudonyms)) },
    describeQuery: createQueryDescriber(Buffer.from(queries)),
  };
}

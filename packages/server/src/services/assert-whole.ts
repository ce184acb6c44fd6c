import { DciError } from '@dci/protocol';
import type { Partner } from '../store/partners.ts';

/**
 * What tells whether records are there, whoever they are of, is open only to those whose agreement covers the whole
 * registry. `what`: as whoever asked for it is told.
 */
export function assertWhole(partner: Partner, registry: string, what: string): void {
  if (!isWhole(partner, registry))
    throw new DciError('err.request.forbidden', `your agreement covers a part of this registry; ${what} is open to the whole only`);
}

export function isWhole({ registryTerms }: Partner, registry: string): boolean {
  const terms = registryTerms[registry];
  return terms?.recordTypes === undefined && Object.values(terms?.rows ?? {}).every((rows) => rows === 'all');
}

/** On what ground a partner may see personal data. Where it is consent, each record needs one. */
export type LegalBasisKind = (typeof LEGAL_BASIS_KINDS)[number];

export const LEGAL_BASIS_KINDS = ['consent', 'contract', 'law', 'vital-interest', 'public-task', 'legitimate-interest'] as const;

export interface LegalBasis {
  readonly kind: LegalBasisKind;
  /** The act, the contract, the decision. */
  readonly text: string;
}

/** As it stands in the audit trail: `law: Social Protection Act, s. 12`. */
export function writeLegalBasis({ kind, text }: LegalBasis): string {
  return text === kind ? kind : `${kind}: ${text}`;
}

/**
 * As an operator writes it: `KIND: text`, `KIND`, or a text alone, which is taken for a law. A text that speaks of consent
 * without saying whether consent is the ground is not understood: undefined.
 */
export function parseLegalBasis(written: string): LegalBasis | undefined {
  const [, kindText = '', rest = ''] = /^([\w-]+)\s*(?::\s*(.*))?$/s.exec(written) ?? [];
  const kind = LEGAL_BASIS_KINDS.find((known) => known === kindText.toLowerCase());
  if (kind !== undefined) return { kind, text: rest.trim() === '' ? kind : rest.trim() };
  return /consent/i.test(written) ? undefined : { kind: 'law', text: written };
}

/** Everything a partner may be allowed to ask for, and every name a token may carry in `scope`. */
export const SCOPES = [
  'registry/search',
  'registry/subscribe',
  'registry/subscribe-all',
  'registry/statistics',
  'registry/export',
  'registry/exists',
  'registry/match',
  'registry/write',
  'consent/write',
  'audit/read',
] as const;

export type Scope = (typeof SCOPES)[number];

export function isScope(name: string): name is Scope {
  return SCOPES.some((scope) => scope === name);
}

/** What a partner gets when its registration names none. */
export const DEFAULT_SCOPES: readonly Scope[] = ['registry/search'];

/** Who asks: the scopes of the token, and those that its partner has now. */
export interface ScopeHolder {
  readonly scopes: ReadonlySet<string>;
  readonly partner: { readonly scopes: ReadonlySet<string> };
}

/** What a token opens: it may carry fewer scopes than its partner has, and its partner may have lost some since. */
export function holdsScope({ scopes, partner }: ScopeHolder, scope: Scope): boolean {
  return scopes.has(scope) && partner.scopes.has(scope);
}

/** Everything a partner may be allowed to ask for, and every name a token may carry in `scope`. */
export const SCOPES: readonly string[] = ['registry/search'];

/** What a partner gets when its registration names none. */
export const DEFAULT_SCOPES: readonly string[] = ['registry/search'];

import { OutboundError } from './outbound-error.ts';
import { parseOutboundUrl } from './outbound-url.ts';

/** Which URLs somebody may have us call: those below the prefixes registered for it. */
export interface UrlAllowance {
  /** False also for what is no URL that can be called at all. */
  allows(url: string): boolean;
}

/**
 * Compares as a server that is called would: scheme, host and port are equal, and the path is the prefix's or below it at a
 * "/". No prefix, or one that cannot be read, allows nothing. Whether http is called at all is for the client to say.
 *
 * @example
 * createUrlAllowance(['https://mis.example.org/dci']).allows('https://mis.example.org/dci/on-search'); // true
 * createUrlAllowance(['https://mis.example.org/dci']).allows('https://mis.example.org/dci-test'); // false
 */
export function createUrlAllowance(prefixes: readonly string[]): UrlAllowance {
  const readable = prefixes.map((prefix) => find(() => parseUrlPrefix(prefix))).filter((prefix) => prefix !== undefined);
  return {
    allows(text) {
      const url = find(() => parseOutboundUrl(text, { allowHttp: true }));
      return url !== undefined && readable.some((prefix) => isBelow(url, prefix));
    },
  };
}

/** Reads a prefix as an operator registers it. Throws an `OutboundError` with `url_refused` where it is none. */
export function parseUrlPrefix(text: string): URL {
  const url = parseOutboundUrl(text, { allowHttp: true });
  if (url.search !== '') throw new OutboundError('url_refused', 'the URL is no prefix: it carries a query');
  return url;
}

function isBelow(url: URL, prefix: URL): boolean {
  if (url.protocol !== prefix.protocol || url.host !== prefix.host) return false;
  const folder = prefix.pathname.endsWith('/') ? prefix.pathname : `${prefix.pathname}/`;
  return url.pathname === prefix.pathname || url.pathname.startsWith(folder);
}

function find<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof OutboundError) return undefined;
    throw error;
  }
}

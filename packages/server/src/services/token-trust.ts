import type { Database, Db } from '../store/database.ts';
import { loadRevokedTokens } from '../store/revoked-tokens.ts';
import { loadTokenIssuers, loadTokenTrustVersion, type TokenIssuer } from '../store/token-issuers.ts';
import { openSnapshot } from './snapshot.ts';

/** What is known of tokens beside their partners, alike on all nodes: which of ours were revoked, whose others are believed. */
export interface TokenTrust {
  isRevoked(jti: string): boolean;
  findIssuer(issuer: string): TokenIssuer | undefined;
  /** Resolves when what was committed before the call is known. */
  refresh(): Promise<void>;
  close(): Promise<void>;
}

export async function openTokenTrust(
  database: Database,
  { now, log }: { readonly now: () => number; readonly log: { warn(fields: object, text: string): void } },
): Promise<TokenTrust> {
  const read = async (db: Db) => ({
    revoked: await loadRevokedTokens(db, new Date(now())),
    issuers: new Map((await loadTokenIssuers(db)).map((issuer) => [issuer.issuer, issuer])),
  });
  const source = { channel: 'dci_token_trust', loadVersion: loadTokenTrustVersion, read };
  const { current, refresh, close } = await openSnapshot(database, source, log);
  return {
    isRevoked: (jti) => current().revoked.has(jti),
    findIssuer: (issuer) => current().issuers.get(issuer),
    refresh,
    close,
  };
}

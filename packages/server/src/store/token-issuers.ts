import { sql } from 'kysely';
import type { Db } from './database.ts';

/** An authorization server of others whose access tokens are believed, for the partners that it may speak for. */
export interface TokenIssuer {
  readonly issuer: string;
  /** Changes with every registration. */
  readonly revision: string;
  readonly jwksUrl: string;
  readonly audience: string;
  /** The claim whose value says who calls. */
  readonly partnerClaim: string;
  /** The claim that holds the scopes; undefined: its tokens name none, the partner's apply. */
  readonly scopeClaim: string | undefined;
  readonly algorithms: readonly string[];
  readonly clockToleranceSeconds: number;
  /** Ids of partners by the value of the claim; nobody else is spoken for. */
  readonly partners: ReadonlyMap<string, string>;
}

export async function loadTokenIssuers(db: Db): Promise<TokenIssuer[]> {
  const rows = await db.selectFrom('token_issuer').selectAll().orderBy('issuer').execute();
  const named = Map.groupBy(
    await db.selectFrom('token_issuer_partner').selectAll().orderBy('claim_value').execute(),
    ({ issuer }) => issuer,
  );
  return rows.map((row) => ({
    issuer: row.issuer,
    revision: row.revision,
    jwksUrl: row.jwks_url,
    audience: row.audience,
    partnerClaim: row.partner_claim,
    scopeClaim: row.scope_claim ?? undefined,
    algorithms: row.algorithms,
    clockToleranceSeconds: row.clock_tolerance_seconds,
    partners: new Map((named.get(row.issuer) ?? []).map((partner) => [partner.claim_value, partner.partner_id])),
  }));
}

/** In place of what was registered of the same issuer, as a whole. `db` is a transaction. */
export async function replaceTokenIssuer(db: Db, issuer: Omit<TokenIssuer, 'revision'>): Promise<void> {
  await deleteTokenIssuer(db, issuer.issuer);
  const partners = [...issuer.partners].map(([value, partnerId]) => ({ issuer: issuer.issuer, claim_value: value, partner_id: partnerId }));
  await db
    .insertInto('token_issuer')
    .values({
      issuer: issuer.issuer,
      jwks_url: issuer.jwksUrl,
      audience: issuer.audience,
      partner_claim: issuer.partnerClaim,
      scope_claim: issuer.scopeClaim ?? null,
      algorithms: [...issuer.algorithms],
      clock_tolerance_seconds: issuer.clockToleranceSeconds,
    })
    .execute();
  await db.insertInto('token_issuer_partner').values(partners).execute();
}

/** False: there is none. */
export async function deleteTokenIssuer(db: Db, issuer: string): Promise<boolean> {
  const result = await db.deleteFrom('token_issuer').where('issuer', '=', issuer).executeTakeFirst();
  return result.numDeletedRows > 0n;
}

/** Differs whenever a token was revoked, or an issuer registered, changed or removed. */
export async function loadTokenTrustVersion(db: Db): Promise<string> {
  // Sums, not the largest: a transaction that ends late may bring a revision below one that was seen.
  const { rows } = await sql<{ version: string }>`
    select concat_ws(' ', (select count(*) from token_revoked), (select sum(revision) from token_revoked),
      (select count(*) from token_issuer), (select sum(revision) from token_issuer)) as version`.execute(db);
  return rows[0]?.version ?? '';
}

import { CompiledQuery, sql } from 'kysely';
import type { Db } from '../store/database.ts';

/** A member's place in a group. */
export interface Place {
  readonly memberId: string;
  readonly isHead: boolean;
  /** Members are written in ascending order of it. */
  readonly position: number;
}

export interface Membership extends Place {
  readonly groupId: string;
}

/** What turns one membership into another. */
export interface MembershipDifference {
  readonly added: readonly Place[];
  readonly removed: readonly string[];
  /** Stay, at another position or with another role. */
  readonly moved: readonly Place[];
  readonly isHeadChanged: boolean;
}

export function compareMembership(before: readonly Place[], after: readonly Place[]): MembershipDifference {
  const old = new Map(before.map((place) => [place.memberId, place]));
  const kept = new Set(after.map((place) => place.memberId));
  const headOf = (places: readonly Place[]): string | undefined => places.find((place) => place.isHead)?.memberId;
  return {
    added: after.filter((place) => !old.has(place.memberId)),
    removed: before.filter((place) => !kept.has(place.memberId)).map((place) => place.memberId),
    moved: after.filter((place) => {
      const known = old.get(place.memberId);
      return known !== undefined && (known.isHead !== place.isHead || known.position !== place.position);
    }),
    isHeadChanged: headOf(before) !== headOf(after),
  };
}

/** Members by group, in order. */
export async function readMembers(db: Db, groupIds: readonly string[]): Promise<Map<string, Place[]>> {
  const found = new Map<string, Place[]>(groupIds.map((id) => [id, []]));
  if (groupIds.length === 0) return found;
  const rows = await db
    .selectFrom('membership')
    .select(['group_id', 'member_id', 'is_head', 'position'])
    .where('group_id', '=', sql<string>`any(${groupIds}::uuid[])`)
    .orderBy('position')
    .orderBy('member_id')
    .execute();
  for (const row of rows) found.get(row.group_id)?.push({ memberId: row.member_id, isHead: row.is_head, position: row.position });
  return found;
}

/** The groups in which a record is a member. */
export async function readGroupIds(db: Db, memberId: string): Promise<string[]> {
  const rows = await db.selectFrom('membership').select('group_id').where('member_id', '=', memberId).orderBy('group_id').execute();
  return rows.map((row) => row.group_id);
}

/** New members, and new places of old ones. */
export async function putMemberships(db: Db, registry: string, memberships: readonly Membership[]): Promise<void> {
  if (memberships.length === 0) return;
  await db.executeQuery(
    CompiledQuery.raw(
      `insert into membership (registry, group_id, member_id, is_head, position)
       select $1, v.* from unnest($2::uuid[], $3::uuid[], $4::boolean[], $5::integer[]) as v
       on conflict (group_id, member_id) do update set is_head = excluded.is_head, position = excluded.position`,
      [
        registry,
        memberships.map((membership) => membership.groupId),
        memberships.map((membership) => membership.memberId),
        memberships.map((membership) => membership.isHead),
        memberships.map((membership) => membership.position),
      ],
    ),
  );
}

export async function deleteMemberships(db: Db, pairs: readonly { readonly groupId: string; readonly memberId: string }[]): Promise<void> {
  if (pairs.length === 0) return;
  await db.executeQuery(
    CompiledQuery.raw(
      `delete from membership m using unnest($1::uuid[], $2::uuid[]) as v (group_id, member_id)
       where m.group_id = v.group_id and m.member_id = v.member_id`,
      [pairs.map((pair) => pair.groupId), pairs.map((pair) => pair.memberId)],
    ),
  );
}

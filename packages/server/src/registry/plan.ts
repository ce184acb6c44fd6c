import type { Attribute, Entity, Operator, Profile, RecordType } from '../profiles/profile.ts';
import type { Sight } from './sight.ts';

/** What a search means, names resolved and values coerced; passes take a plan and return a plan or refuse it. */
export interface SearchPlan {
  readonly profile: Profile;
  /** Record type that is answered: the root of the filter. */
  readonly recordType: RecordType;
  /** Form in which each record is written. */
  readonly entity: Entity;
  readonly filter: Filter;
  readonly sort: readonly SortKey[];
  readonly page: Page;
  /** Most records that may match before the search is refused as `rjct.search.too_many_records_found`. */
  readonly maxMatches: number;
  /** Absent: everything is seen. */
  readonly sight?: Sight;
}

/** A condition over one record of type `recordType` (leaf) or over leaves. `pointer` says where in the message it stood. */
export type Filter =
  | { readonly kind: 'and' | 'or'; readonly terms: readonly Filter[] }
  | { readonly kind: 'not'; readonly term: Filter }
  | {
      readonly kind: 'compare';
      readonly recordType: RecordType;
      readonly attribute: Attribute;
      readonly operator: Operator;
      /** Coerced to the attribute's type: string, number, boolean; lists for `in`/`nin`; boolean for `exists`. */
      readonly value: Scalar | readonly Scalar[];
      readonly pointer: string;
    }
  | {
      readonly kind: 'identifier';
      readonly recordType: RecordType;
      readonly type: string;
      readonly operator: 'eq' | 'in' | 'exists';
      readonly values: readonly string[];
      readonly pointer: string;
    }
  /** Records that were named by the server itself; no partner can say this. */
  | { readonly kind: 'records'; readonly recordType: RecordType; readonly ids: readonly string[] };

/** Dates as `YYYY-MM-DD`, timestamps as ISO 8601 in UTC. */
export type Scalar = string | number | boolean;

export interface SortKey {
  readonly recordType: RecordType;
  /** An attribute, or the value of an identifier type. */
  readonly by: { readonly attribute: Attribute } | { readonly identifierType: string };
  readonly direction: 'asc' | 'desc';
}

export interface Page {
  readonly size: number;
  /** From 1. With a cursor it only counts pages. */
  readonly number: number;
  /** Where the page begins, taken from an authenticated cursor: the sort values and id of the record before it. */
  readonly after?: { readonly values: readonly (Scalar | null)[]; readonly id: string };
}

/** A parameterised statement; `name` is set where the text is fixed and the statement is worth preparing. */
export interface CompiledQuery {
  readonly name?: string;
  readonly sql: string;
  readonly parameters: readonly unknown[];
}

/** One record as read: its text is what the write path rendered, cut at the marks described in `document.ts`. */
export interface FoundRecord {
  readonly id: string;
  readonly version: number;
  readonly recordType: string;
  readonly body: string;
  /** The consents under which it is seen, where one is needed: JSON text, `[[id, [mark, …]], …]`. */
  readonly cover?: string;
  /** Members in order, where the record type has members and the answer writes them. */
  readonly members?: readonly FoundMember[];
}

export interface FoundMember {
  readonly record: FoundRecord;
  readonly isHead: boolean;
}

/** What the registry holds for a plan. It may not leave: only `disclosure/` turns it into something that may. */
export interface SearchResult {
  readonly plan: SearchPlan;
  readonly records: readonly FoundRecord[];
  readonly totalCount: number;
  /** Position after the last record of the page, when there are more. */
  readonly next?: { readonly values: readonly (Scalar | null)[]; readonly id: string };
}

import type { DciClient } from '@dci/client';
import type { PageInfo, SearchCriteria, SearchResponseItem } from '@dci/protocol';

/** What was found, criteria by criteria. */
export interface Found {
  /** Key that signed the last answer; undefined: not verified. */
  readonly signedBy: string | undefined;
  readonly items: readonly FoundItem[];
}

export interface FoundItem {
  readonly records: readonly Readonly<Record<string, unknown>>[];
  readonly totalCount: number;
  readonly refusal?: { readonly code: string; readonly message: string };
}

/** Searches for all criteria in one message; with `all`, asks on for each until its last page. */
export async function searchPages(
  client: DciClient,
  criteria: readonly SearchCriteria[],
  { registry, all = false }: { registry?: string | undefined; all?: boolean | undefined },
): Promise<Found> {
  const first = await client.search(criteria, { registry });
  const items: FoundItem[] = [];
  for (const [index, asked] of criteria.entries()) {
    const item = first.items[index];
    if (item === undefined) continue;
    items.push(all ? await readOn(client, asked, item, registry) : readItem(item));
  }
  return { signedBy: first.signedBy, items };
}

async function readOn(
  client: DciClient,
  criteria: SearchCriteria,
  first: SearchResponseItem,
  registry: string | undefined,
): Promise<FoundItem> {
  const records = [...recordsOf(first)];
  let page: SearchResponseItem | undefined = first;
  for (let next = nextPage(page); next !== undefined; next = nextPage(page)) {
    const answer = await client.search({ ...criteria, pagination: next }, { registry });
    page = answer.items[0];
    if (page === undefined) break;
    records.push(...recordsOf(page));
  }
  return { ...readItem(first), records };
}

/** By cursor where the server gives one, else by number; none after a page without records. */
function nextPage(item: SearchResponseItem | undefined): SearchCriteria['pagination'] {
  const page: PageInfo | undefined = item?.pagination;
  if (item === undefined || page === undefined || recordsOf(item).length === 0) return undefined;
  if (page.next_cursor === undefined && page.page_number * page.page_size >= page.total_count) return undefined;
  return {
    page_size: page.page_size,
    page_number: page.page_number + 1,
    ...(page.next_cursor === undefined ? {} : { cursor: page.next_cursor }),
  };
}

/** What an item found, or why it was refused. */
export function readItem(item: SearchResponseItem): FoundItem {
  const records = recordsOf(item);
  const found = { records, totalCount: item.pagination?.total_count ?? records.length };
  if (item.status !== 'rjct') return found;
  const code = item.status_reason_code ?? 'rjct.search_criteria.invalid';
  return { ...found, refusal: { code, message: item.status_reason_message ?? code } };
}

function recordsOf(item: SearchResponseItem): readonly Readonly<Record<string, unknown>>[] {
  return item.data?.reg_records ?? [];
}

import { DciError, type SearchCriteria } from '@dci/protocol';
import type { Profile } from '../profiles/profile.ts';
import type { Partner } from '../store/partners.ts';
import { findOpenRegistry, type ServedRegistries } from './open-registry.ts';

/** What the items of a message have in common, whatever they ask: each is planned by itself, in a registry of its own. */

/** An item that cannot be served; the others are. */
export interface RefusedItem<Item> {
  readonly item: Item;
  /** `rjct.*` */
  readonly refusal: DciError;
}

/** Plans one by one; `pointer` is that of the list. What is thrown as `rjct.*` is the refusal of its item alone. */
export function planItems<Item extends { readonly reference_id: string }, Planned>(
  items: readonly Item[],
  pointer: string,
  plan: (item: Item, pointer: string, index: number) => Planned,
): (RefusedItem<Item> | ({ readonly item: Item } & Planned))[] {
  const seen = new Set<string>();
  return items.map((item, index) => {
    try {
      const place = `${pointer}/${index}`;
      if (seen.has(item.reference_id))
        throw new DciError('rjct.reference_id.duplicate', 'another item of this message has the same reference_id', {
          pointer: `${place}/reference_id`,
        });
      seen.add(item.reference_id);
      return { item, ...plan(item, place, index) };
    } catch (error) {
      return { item, refusal: asItemRefusal(error) };
    }
  });
}

/** Whatever is no refusal of an item is thrown. */
export function asItemRefusal(error: unknown): DciError {
  if (error instanceof DciError && error.code.startsWith('rjct.')) return error;
  throw error;
}

/** The registry an item asks, of those that are open to the partner. */
export function chooseProfile(
  served: ServedRegistries,
  partner: Partner,
  mounted: Profile | undefined,
  { reg_type: regType }: Pick<SearchCriteria, 'reg_type'>,
  pointer: string,
): Profile {
  const chosen = findOpenRegistry(served, partner, mounted, regType);
  if (chosen === undefined)
    throw new DciError('rjct.search_criteria.invalid', 'reg_type does not name a registry that is open to you on this path', {
      pointer: `${pointer}/reg_type`,
    });
  return chosen;
}

import { DciError, type SearchCriteria } from '@dci/protocol';
import type { Grant } from '../disclosure/grant.ts';
import { decidePurpose } from '../disclosure/stated-purpose.ts';
import type { Profile } from '../profiles/profile.ts';
import type { SearchContext } from '../registry/search-context.ts';
import type { Partner } from '../store/partners.ts';
import type { ConsentTokens } from './consent-tokens.ts';
import { findOpenRegistry, type ServedRegistries } from './open-registry.ts';
import { type PlannedFor, planningContext, type PlanningParts } from './planning-context.ts';
import { acceptPresentedConsents } from './present-consents.ts';

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

/** Who asks, and where. */
export interface Asker extends Pick<PlannedFor, 'pages'> {
  readonly partner: Partner;
  readonly grant: Grant;
  /** The registry of the path, where the path names one. */
  readonly mounted: Profile | undefined;
}

export interface CriteriaParts extends ServedRegistries, PlanningParts {
  readonly consentTokens: ConsentTokens;
}

/** The items of a message, and what of each says for which records it asks. */
export interface CriteriaList<Item, Criteria> {
  readonly items: readonly Item[];
  /** Names of the list in the message, and of the criteria in an item. */
  readonly names: readonly [list: string, criteria: string];
  readonly criteriaOf: (item: Item) => Criteria;
}

type Asking = Pick<SearchCriteria, 'reg_type' | 'consent' | 'authorize'>;

/** Plans items that ask for records of a registry: under what the asker may see, for the purpose stated, with the consents that come with them. */
export async function planCriteria<Item extends { readonly reference_id: string }, Criteria extends Asking, Planned>(
  parts: CriteriaParts,
  asker: Asker,
  { items, names: [list, name], criteriaOf }: CriteriaList<Item, Criteria>,
  plan: (criteria: Criteria, context: SearchContext) => Planned,
): Promise<PlannedItem<Item, Planned>[]> {
  const { partner, grant, mounted, pages } = asker;
  const place = `/message/${list}`;
  const choose = (criteria: Asking, pointer: string): Profile => chooseProfile(parts, partner, mounted, criteria, pointer);
  const refusals = await acceptPresentedConsents(parts.consentTokens, {
    partner,
    grant,
    items: items.map((item, index) => ({ criteria: criteriaOf(item), pointer: `${place}/${index}/${name}` })),
    chooseProfile: choose,
  });
  return planItems(items, place, (item, itemPointer, index) => {
    const refusal = refusals.get(index);
    if (refusal !== undefined) throw refusal;
    const [criteria, pointer] = [criteriaOf(item), `${itemPointer}/${name}`];
    const profile = choose(criteria, pointer);
    const context = planningContext(parts, { partner, grant, profile, criteria, pointer, ...(pages && { pages }) });
    return { plan: plan(criteria, context), purpose: decidePurpose(grant, criteria, pointer) };
  });
}

/** An item whose criteria were planned, or its refusal. */
export type PlannedItem<Item, Plan> =
  | RefusedItem<Item>
  | { readonly item: Item; readonly purpose: string | undefined; readonly plan: Plan };

/** Answers the items that were planned; what is thrown as `rjct.*` is the refusal of its item alone. */
export async function answerPlanned<Item, Plan, Answer>(
  planned: readonly PlannedItem<Item, Plan>[],
  answer: (plan: Plan) => Promise<Answer>,
): Promise<(RefusedItem<Item> | ({ readonly item: Item; readonly purpose: string | undefined } & Answer))[]> {
  return await Promise.all(
    planned.map(async (entry) => {
      if ('refusal' in entry) return entry;
      const { item, purpose, plan } = entry;
      try {
        return { item, purpose, ...(await answer(plan)) };
      } catch (error) {
        return { item, refusal: asItemRefusal(error) };
      }
    }),
  );
}

/** The registry an item asks: of the path, else of its `reg_type`, else the default; among those open to the partner. */
export function chooseProfile(
  served: ServedRegistries,
  partner: Partner,
  mounted: Profile | undefined,
  { reg_type: regType }: Pick<SearchCriteria, 'reg_type'>,
  pointer: string,
): Profile {
  const chosen = findOpenRegistry(served, partner, mounted, regType);
  if (chosen !== undefined) return chosen;
  throw new DciError('rjct.search_criteria.invalid', 'reg_type does not name a registry that is open to you on this path', {
    pointer: `${pointer}/reg_type`,
  });
}

import { findProfile, findProfileByRegType } from '../profiles/index.ts';
import type { Profile } from '../profiles/profile.ts';
import type { Partner } from '../store/partners.ts';

export interface ServedRegistries {
  readonly profiles: readonly Profile[];
  readonly defaultRegistry: string;
}

/**
 * The registry that is meant: of the path, else of `regType`, else the default. Undefined where the two name different
 * ones, where there is none of that name, and where it is not open to the partner.
 */
export function findOpenRegistry(
  { profiles, defaultRegistry }: ServedRegistries,
  partner: Partner,
  mounted: Profile | undefined,
  regType: string | undefined,
): Profile | undefined {
  const named = regType === undefined ? undefined : findProfileByRegType(profiles, regType);
  const chosen = mounted ?? (regType === undefined ? findProfile(profiles, defaultRegistry) : named);
  if (chosen === undefined || (regType !== undefined && named !== chosen)) return undefined;
  return partner.registries.has(chosen.registry) ? chosen : undefined;
}

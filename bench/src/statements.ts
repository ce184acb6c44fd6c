import { BUILT_IN_PROFILES, compileLookUp, compileLookUps, type LookUpPlan } from '@dci/server';
import type { BareOrder } from './bare-search.ts';

/** The statements by which the server looks up persons by identifier, taken from the server. */
export function readStatements(registry: string): Pick<BareOrder, 'lookUp' | 'lookUps'> {
  const plan = planLookUp(registry);
  const lookUp = compileLookUp(plan);
  const lookUps = compileLookUps([plan, plan]);
  return {
    lookUp: { name: lookUp.name ?? 'look_up', text: lookUp.sql },
    lookUps: { name: lookUps.name ?? 'look_ups', text: lookUps.sql },
  };
}

function planLookUp(registry: string): LookUpPlan {
  const profile = BUILT_IN_PROFILES.find((candidate) => candidate.registry === registry);
  const recordType = profile?.recordTypes.find((candidate) => candidate.name === profile.defaultRecordType);
  const entity = recordType?.entities[0];
  const identifier = profile?.identifierTypes.find((candidate) => candidate.recordType === recordType?.name);
  if (profile === undefined || recordType === undefined || entity === undefined || identifier === undefined)
    throw new Error(`there is no registry ${registry}`);
  return {
    profile,
    recordType,
    entity,
    filter: { kind: 'identifier', recordType, type: identifier.code, operator: 'eq', values: [''], pointer: '' },
    sort: [],
    page: { size: 20, number: 1 },
    maxMatches: 1,
  };
}

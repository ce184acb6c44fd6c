import { describe, expect, it } from 'vitest';
import { prepareRecord } from '../../src/registry/prepare-record.ts';
import { socialProfile } from '../../src/profiles/social.ts';
import { addDuplicates, type Duplicate } from '../../src/profiles/population/duplicates.ts';
import { checkDigit } from '../../src/profiles/population/numbers.ts';
import { listLocations } from '../../src/profiles/population/places.ts';
import { generateSocialPopulation } from '../../src/profiles/population/social-population.ts';

interface Line {
  '@type': string;
  poverty_score?: number;
  group_size?: number;
  member_list?: Member[];
}

interface Identifier {
  identifier_type: string;
  identifier_value: string;
}

interface Member {
  marital_status: string;
  demographic_info: {
    sex: string;
    birth_date: string;
    name: { given_name: string };
    identifier: Identifier[];
    address: { sub_region_code: string }[];
  };
}

const TODAY = '2026-01-01';

function generate(persons: number, seed: string): Line[] {
  return [...generateSocialPopulation({ persons, seed, referenceDate: TODAY })] as unknown as Line[];
}

const lines = generate(5_000, 'a seed');
const members = lines.flatMap((line) => line.member_list ?? [line as unknown as Member]);
const groups = lines.filter((line) => line['@type'] === 'Group');

function ageOf(member: Member): number {
  return Number(TODAY.slice(0, 4)) - Number(member.demographic_info.birth_date.slice(0, 4));
}

describe('a generated population', () => {
  it('has exactly as many persons as were asked for', () => {
    expect(members).toHaveLength(5_000);
    for (const persons of [1, 2, 3, 7, 50]) {
      const few = generate(persons, 'few').flatMap<unknown>((line) => line.member_list ?? [line]);
      expect(few).toHaveLength(persons);
    }
  });

  it('follows from the seed alone', () => {
    expect(JSON.stringify(generate(500, 'a'))).toBe(JSON.stringify(generate(500, 'a')));
    expect(JSON.stringify(generate(500, 'a'))).not.toBe(JSON.stringify(generate(500, 'b')));
  });

  it('is accepted by the profile, line by line, as it is stored', () => {
    for (const line of lines) {
      const prepared = prepareRecord(socialProfile, line);
      expect(prepared).toMatchObject({ ok: true });
      if (prepared.ok && line.member_list === undefined) expect(JSON.parse(prepared.record.body.replaceAll('\u0001', ''))).toEqual(line);
    }
  });

  it('gives each its own identifiers, with check digits, and spouses one marriage', () => {
    const identifiers = members.flatMap((member) => member.demographic_info.identifier);
    const unique = identifiers
      .filter(({ identifier_type }) => identifier_type !== 'MRN')
      .map(({ identifier_type: type, identifier_value: value }) => type + value);
    expect(new Set(unique).size).toBe(unique.length);
    for (const { identifier_value } of identifiers) {
      const digits = identifier_value.replaceAll(/\D/g, '');
      expect(checkDigit(digits.slice(0, -1))).toBe(Number(digits.at(-1)));
    }
    const marriages = identifiers.filter((found) => found.identifier_type === 'MRN').map((found) => found.identifier_value);
    expect(marriages.length).toBe(2 * new Set(marriages).size);
  });

  it('has who the published examples look for', () => {
    const widows = members.filter((member) => member.demographic_info.sex === 'female' && member.marital_status === 'W');
    const poorYoungMen = groups
      .filter((group) => (group.poverty_score ?? 100) < 2.5)
      .flatMap((group) => group.member_list ?? [])
      .filter((member) => ageOf(member) < 25 && member.demographic_info.sex === 'male');
    expect(groups.filter((group) => (group.poverty_score ?? 100) < 5).length).toBeGreaterThan(20);
    expect(groups.filter((group) => (group.group_size ?? 100) < 5).length).toBeGreaterThan(100);
    expect(widows.length).toBeGreaterThan(20);
    expect(poorYoungMen.length).toBeGreaterThan(5);
    expect(lines.some((line) => line['@type'] === 'Member')).toBe(true);
    expect(groups.some((group) => group.group_size === 1)).toBe(true);
  });

  it('has ages like a young country, and nobody born tomorrow', () => {
    const share = (least: number, most: number): number =>
      members.filter((member) => ageOf(member) >= least && ageOf(member) <= most).length / members.length;
    expect(share(0, 14)).toBeGreaterThan(0.2);
    expect(share(15, 64)).toBeGreaterThan(0.4);
    expect(share(65, 120)).toBeGreaterThan(0.03);
    expect(members.every((member) => member.demographic_info.birth_date.slice(0, 10) <= TODAY)).toBe(true);
  });

  it('has names in several scripts, and lives in its locations', () => {
    const names = members.map((member) => member.demographic_info.name.given_name).join(' ');
    for (const script of ['Latin', 'Arabic', 'Devanagari', 'Cyrillic', 'Ethiopic', 'Thai', 'Han', 'Bengali'])
      expect(names).toMatch(new RegExp(`\\p{Script=${script}}`, 'u'));
    const locations = listLocations();
    const codes = new Set(locations.map((location) => location.code));
    expect(members.every((member) => codes.has(member.demographic_info.address[0]?.sub_region_code ?? ''))).toBe(true);
    expect(locations.every(({ parent }) => parent === '' || codes.has(parent))).toBe(true);
    expect(codes.size).toBe(locations.length);
  });
});

describe('a population with persons who were registered twice', () => {
  const told: Duplicate[] = [];
  const options = { share: 0.1, seed: 'a seed', persons: 5_000, tell: (duplicate: Duplicate) => void told.push(duplicate) };
  const all = [...addDuplicates(generate(5_000, 'a seed') as unknown as Record<string, unknown>[], options)] as unknown as Line[];
  const people = all.flatMap((line) => line.member_list ?? [line as unknown as Member]);
  const byIdentifier = new Map(people.map((member) => [`UIN=${member.demographic_info.identifier[0]?.identifier_value}`, member]));

  it('has the records of the one without, and the second ones besides', () => {
    expect(all.filter((line) => !isSecond(line))).toEqual(lines);
    expect(people).toHaveLength(5_000 + told.length);
    expect(told.length).toBeGreaterThan(400);
    expect(told.length).toBeLessThan(600);
  });

  it('follows from the seed alone', () => {
    const again = [
      ...addDuplicates(generate(5_000, 'a seed') as unknown as Record<string, unknown>[], { ...options, tell: () => undefined }),
    ];
    expect(JSON.stringify(again)).toBe(JSON.stringify(all));
  });

  it('makes the mistakes that it tells of, each kind among them, and shares no identifier', () => {
    expect(new Set(told.flatMap(({ mistakes }) => mistakes)).size).toBe(7);
    for (const { identifier, duplicate_of: original, mistakes } of told) {
      const second = byIdentifier.get(identifier);
      const first = byIdentifier.get(original);
      expect(first).toBeDefined();
      expect(second?.demographic_info.identifier).toHaveLength(1);
      if (mistakes.length === 1 && mistakes[0] !== 'wrong date')
        expect(second?.demographic_info.birth_date).toBe(first?.demographic_info.birth_date);
      expect({ ...second?.demographic_info, identifier: [] }).not.toEqual({ ...first?.demographic_info, identifier: [] });
    }
  });

  it('is accepted by the profile', () => {
    for (const line of all.filter(isSecond)) expect(prepareRecord(socialProfile, line).ok).toBe(true);
  });

  function isSecond(line: Line): boolean {
    const identifiers = (line as unknown as Partial<Member>).demographic_info?.identifier ?? [];
    return told.some(({ identifier }) => identifier === `UIN=${identifiers[0]?.identifier_value}`);
  }
});

import { AMHARIC, ARABIC, BENGALI, CHINESE, ENGLISH, FRENCH, HINDI, type NameList, RUSSIAN, SPANISH, THAI } from './names.ts';

/** The made-up country of generated registries. `XZ` is a code that ISO 3166 leaves to its users. */
export const COUNTRY = { code: 'XZ', name: 'Marenda' } as const;

export interface Locality {
  readonly code: string;
  readonly name: string;
  readonly postalCode: string;
  readonly latitude: number;
  readonly longitude: number;
  /** Towns have more people than villages. */
  readonly weight: number;
  readonly district: District;
}

export interface District {
  readonly code: string;
  readonly name: string;
  readonly region: Region;
}

export interface Region {
  readonly code: string;
  readonly name: string;
  /** Languages of its people, with their shares. */
  readonly languages: readonly (readonly [NameList, number])[];
  /** Poverty scores lie higher (better off) or lower here. */
  readonly prosperity: number;
}

export interface Location {
  readonly code: string;
  readonly name: string;
  readonly type: string;
  readonly parent: string;
}

const LOCALITIES_PER_DISTRICT = 6;

interface RegionPlan {
  readonly name: string;
  readonly prosperity: number;
  readonly languages: Region['languages'];
  readonly districts: readonly string[];
}

const PLAN: readonly RegionPlan[] = [
  {
    name: 'Capital',
    prosperity: 1.35,
    languages: [
      [ENGLISH, 6],
      [FRENCH, 2],
      [CHINESE, 1],
      [ARABIC, 1],
      [HINDI, 1],
    ],
    districts: ['Marenda City', 'Port Alder', 'Saltmere', 'Westgate'],
  },
  {
    name: 'Northern Highlands',
    prosperity: 0.7,
    languages: [
      [AMHARIC, 6],
      [ARABIC, 2],
      [ENGLISH, 1],
    ],
    districts: ['Tarsa', 'Upper Kebel', 'Lower Kebel', 'Gishir', 'Dembel'],
  },
  {
    name: 'Eastern Plains',
    prosperity: 0.9,
    languages: [
      [HINDI, 5],
      [BENGALI, 4],
      [ENGLISH, 1],
    ],
    districts: ['Sonapar', 'Ratanpur', 'Khilna', 'Badamtal'],
  },
  {
    name: 'Southern Coast',
    prosperity: 1.1,
    languages: [
      [SPANISH, 5],
      [ENGLISH, 3],
      [THAI, 2],
    ],
    districts: ['Puerto Claro', 'Las Dunas', 'Cabo Verdín', 'Isla Larga'],
  },
  {
    name: 'Western Steppe',
    prosperity: 0.8,
    languages: [
      [RUSSIAN, 5],
      [CHINESE, 2],
      [ENGLISH, 1],
    ],
    districts: ['Stepnoye', 'Belaya Gora', 'Zarechny', 'Ozero'],
  },
  {
    name: 'River Delta',
    prosperity: 0.95,
    languages: [
      [FRENCH, 4],
      [ARABIC, 3],
      [THAI, 2],
      [BENGALI, 1],
    ],
    districts: ['Haut-Fleuve', 'Bas-Fleuve', 'Nahr', 'Les Îles', 'Marais'],
  },
];

const LOCALITY_KINDS = ['Town', 'Old Market', 'Riverside', 'Hillside', 'Crossroads', 'Newfields'];

function twoDigits(number: number): string {
  return String(number).padStart(2, '0');
}

export const LOCALITIES: readonly Locality[] = PLAN.flatMap((plan, regionIndex) => {
  const region: Region = {
    code: `${COUNTRY.code}-${twoDigits(regionIndex + 1)}`,
    name: plan.name,
    languages: plan.languages,
    prosperity: plan.prosperity,
  };
  return plan.districts.flatMap((name, districtIndex) => {
    const district: District = { code: `${region.code}${twoDigits(districtIndex + 1)}`, name, region };
    return Array.from({ length: LOCALITIES_PER_DISTRICT }, (_, index) => placeLocality(district, regionIndex, districtIndex, index));
  });
});

function placeLocality(district: District, regionIndex: number, districtIndex: number, index: number): Locality {
  return {
    code: `${district.code}${twoDigits(index + 1)}`,
    name: `${district.name} ${LOCALITY_KINDS[index]}`,
    postalCode: `${regionIndex + 1}${districtIndex}${twoDigits(index * 7)}0`,
    latitude: (regionIndex * 170 + districtIndex * 31 + index * 5 - 400) / 100,
    longitude: (regionIndex * 90 + districtIndex * 43 + index * 7 - 2_500) / 100,
    weight: index === 0 ? 6 : 1 + ((districtIndex + index) % 3),
    district,
  };
}

/** The country's locations, each after the one it belongs to. */
export function listLocations(): Location[] {
  const locations = new Map<string, Location>([[COUNTRY.code, { code: COUNTRY.code, name: COUNTRY.name, type: 'country', parent: '' }]]);
  for (const { code, name, district } of LOCALITIES) {
    const { region } = district;
    locations.set(region.code, { code: region.code, name: region.name, type: 'region', parent: COUNTRY.code });
    locations.set(district.code, { code: district.code, name: district.name, type: 'district', parent: region.code });
    locations.set(code, { code, name, type: 'locality', parent: district.code });
  }
  return [...locations.values()];
}

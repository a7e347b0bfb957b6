/**
 * From a JSON schema of the OpenAPI document to values that fit it, and to values that nearly do.
 * Knows as much of JSON Schema as the document uses, and says so when it meets anything else.
 */
import fc, { type Arbitrary } from 'fast-check';

export type Schema = {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly items?: Schema;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly oneOf?: readonly Schema[];
  readonly anyOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
};

export type Vocabulary = {
  /** `#/components/schemas` of the document. */
  readonly schemas: Readonly<Record<string, Schema>>;
  /** Values that mean something, by name of a component or a property: so that requests get far. */
  readonly known: Readonly<Record<string, readonly unknown[]>>;
};

const deep = (levels: number): unknown => (levels === 0 ? 1 : [deep(levels - 1)]);

/** Whatever a program that was written in a hurry does not expect. */
export const HOSTILE: readonly unknown[] = [
  null,
  true,
  -1,
  0,
  1.5,
  1e308,
  Number.MAX_SAFE_INTEGER + 1,
  '',
  ' ',
  '0',
  '-1',
  '1e9',
  'NaN',
  'null',
  '\0',
  'a\0b',
  '\r\nset-cookie: a=b',
  '__proto__',
  'constructor',
  'toString',
  '../../etc/passwd',
  '%00',
  '%2e%2e%2f',
  '{r:other}',
  'a}:{m:b',
  '*',
  '|',
  'x|y|z',
  "'; return redis.call('FLUSHALL') --",
  '<script>alert(1)</script>',
  '\u202e\u0000\ufeff',
  '٠١٢٣٤٥',
  '\ud800',
  '😀'.repeat(50),
  'x'.repeat(2_000),
  [],
  {},
  [[]],
  [null],
  deep(15),
  deep(40),
  Array.from({ length: 1_001 }, () => 0),
  { constructor: { prototype: { admin: true } } },
  JSON.parse('{"__proto__":{"refused":"INTERNAL"}}'),
  { refused: 'INTERNAL' },
  JSON.parse('{"then":1}'),
  { toJSON: 1 },
  { length: 1e9 },
];

/** `hostility`: how many of ten places hold something else than the schema says, 0 to 10. */
export function arbitraryOf(
  schema: Schema,
  vocabulary: Vocabulary,
  hostility: number,
  name = '',
): Arbitrary<unknown> {
  const fitting = fittingOf(schema, vocabulary, hostility, name);
  const known = vocabulary.known[name] ?? vocabulary.known[refOf(schema)];
  const sound = known
    ? fc.oneof(
        { weight: 12, arbitrary: fc.constantFrom(...known) },
        { weight: 1, arbitrary: fitting },
      )
    : fitting;
  if (hostility === 0) return sound;
  return fc.oneof(
    { weight: 10 - hostility, arbitrary: sound },
    { weight: hostility, arbitrary: fc.oneof(fc.constantFrom(...HOSTILE), fc.jsonValue()) },
  );
}

const refOf = ({ $ref = '' }: Schema): string => $ref.replace('#/components/schemas/', '');

function fittingOf(
  schema: Schema,
  vocabulary: Vocabulary,
  hostility: number,
  name: string,
): Arbitrary<unknown> {
  const within = (inner: Schema, as = name) => arbitraryOf(inner, vocabulary, hostility, as);
  if (schema.$ref !== undefined) {
    const target = vocabulary.schemas[refOf(schema)];
    if (!target) throw new Error(`no schema ${schema.$ref}`);
    return fittingOf(target, vocabulary, hostility, name);
  }
  if (schema.enum) return fc.constantFrom(...schema.enum);
  if ('const' in schema) return fc.constant(schema.const);
  const choices = schema.oneOf ?? schema.anyOf;
  if (choices) return fc.oneof(...choices.map((choice) => within(choice)));
  if (Array.isArray(schema.type))
    return fc.oneof(...schema.type.map((type: string) => within({ ...schema, type })));
  switch (schema.type) {
    case 'string':
      return stringOf(schema);
    case 'integer':
      return fc.integer({ min: schema.minimum ?? -1_000, max: schema.maximum ?? 1_000 });
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    case 'array':
      return arrayOf(schema, within(schema.items ?? {}));
    case 'object':
      return objectOf(schema, within, hostility);
    default:
      throw new Error(`a schema that is not understood: ${JSON.stringify(schema)}`);
  }
}

/** Often as short as it may be, and without doubles. */
function arrayOf({ minItems = 0, maxItems = 4 }: Schema, item: Arbitrary<unknown>) {
  return fc.oneof(
    fc.array(item, { minLength: minItems, maxLength: minItems }),
    fc.uniqueArray(item, { minLength: minItems, maxLength: Math.min(maxItems, minItems + 1) }),
    fc.array(item, { minLength: minItems, maxLength: Math.min(maxItems, minItems + 4) }),
  );
}

function stringOf(schema: Schema): Arbitrary<string> {
  const { minLength = 0, maxLength = 200 } = schema;
  const patterns = [schema, ...(schema.allOf ?? [])].flatMap(({ pattern }) => pattern ?? []);
  const [first, ...others] = patterns.map((pattern) => new RegExp(pattern));
  if (!first) return fc.string({ minLength, maxLength, unit: 'grapheme' });
  return fc
    .stringMatching(first, { maxLength })
    .filter((text) => text.length >= minLength && others.every((other) => other.test(text)));
}

function objectOf(
  { properties = {}, required = [] }: Schema,
  within: (inner: Schema, name: string) => Arbitrary<unknown>,
  hostility: number,
): Arbitrary<unknown> {
  const members = Object.fromEntries(
    Object.entries(properties).map(([name, inner]) => [name, within(inner, name)]),
  );
  if (hostility === 0) return fc.record(members, { requiredKeys: [...required] });
  const unknown = fc.dictionary(fc.oneof(fc.string(), fc.constant('__proto__')), fc.jsonValue(), {
    maxKeys: 1,
    noNullPrototype: false,
  });
  return fc
    .tuple(fc.record(members, { requiredKeys: [] }), fc.record(members), unknown, fc.nat(9))
    .map(([some, all, more, which]) =>
      which < 6 ? all : which < 8 ? some : Object.assign(Object.create(null), all, more),
    );
}

/** Options that several scenarios take, and how their values are read. */
import { InvalidArgumentError, Option } from 'commander';

type Bounds = readonly [least: number, most: number];

const ANY: Bounds = [1, 1_000_000_000];

const within =
  ([least, most]: Bounds, what = 'a number', isSuch = Number.isFinite) =>
  (text: string): number => {
    const value = Number(text);
    if (text.trim() !== '' && isSuch(value) && value >= least && value <= most) return value;
    const [from, to] = [least.toLocaleString('en'), most.toLocaleString('en')];
    throw new InvalidArgumentError(`It must be ${what} from ${from} to ${to}.`);
  };

const whole = (bounds: Bounds) => within(bounds, 'a whole number', Number.isInteger);

/** `--name <number>`, a whole one; another ends the bench with status 2 and a message. */
export const amount = (
  name: string,
  description: string,
  unlessSaid: number,
  bounds: Bounds = ANY,
): Option =>
  new Option(`--${name} <number>`, description).argParser(whole(bounds)).default(unlessSaid);

/** Some of them: `10,64,256`. */
export const amounts = (name: string, description: string, unlessSaid: readonly number[]): Option =>
  new Option(`--${name} <numbers>`, description)
    .argParser((text) => text.split(',').map(whole(ANY)))
    .default(unlessSaid, unlessSaid.join());

/** `--name <unit>`: any number. */
export const measure = (
  name: string,
  unit: string,
  description: string,
  unlessSaid: number,
  bounds: Bounds,
): Option =>
  new Option(`--${name} <${unit}>`, description).argParser(within(bounds)).default(unlessSaid);

/** Reads some of `names`: `forgedToken,largeBody`. */
export const some =
  <Name extends string>(names: readonly Name[]) =>
  (text: string): Name[] => {
    const asked = text.split(',').map((said) => oneOf(names, said));
    return names.filter((name) => asked.includes(name));
  };

function oneOf<Name extends string>(names: readonly Name[], said: string): Name {
  const name = names.find((known) => known === said);
  if (name === undefined) throw new InvalidArgumentError(`There are: ${names.join(', ')}.`);
  return name;
}

/** Reads `forgedToken=3,largeBody=1`: weights of some of `names`, 1 where none is said. */
export const mix =
  <Name extends string>(names: readonly Name[]) =>
  (text: string): Partial<Record<Name, number>> => {
    const weights = text.split(',').map((one) => {
      const [said = '', weight = '1'] = one.split('=');
      return [oneOf(names, said), whole(ANY)(weight)] as const;
    });
    return Object.fromEntries(weights) as Partial<Record<Name, number>>;
  };

export const requests = (unlessSaid: number): Option =>
  amount('requests', 'requests of one volley', unlessSaid);
export const connections = (unlessSaid: number): Option =>
  amount('connections', 'connections at once', unlessSaid);
export const repeats = (unlessSaid: number): Option =>
  amount('repeats', 'volleys that count', unlessSaid);
export const entries = (least = 1): Option =>
  amount('entries', 'people who enter', 100_000, [least, 100_000_000]);
export const profile = (): Option =>
  new Option('--profile <directory>', 'write a CPU profile of each server there');

/** Of a Node that is to write its CPU profile at its end. */
export const nodeOptionsFor = (directory: string | undefined): string[] =>
  directory === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${directory}`];

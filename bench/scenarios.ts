/** All that the bench can measure, in the order in which `all` does. */
import { captcha } from './captcha.ts';
import { carry } from './carry.ts';
import { cost } from './cost.ts';
import { discovery } from './discovery.ts';
import { draw } from './draw.ts';
import { flood } from './flood.ts';
import { floor } from './floor.ts';
import { immediate } from './immediate.ts';
import { kill } from './kill.ts';
import { memory } from './memory.ts';
import { peers } from './peers.ts';
import { reconcile } from './reconcile.ts';
import { rush } from './rush.ts';
import { scrape } from './scrape.ts';
import { shards } from './shards.ts';
import { slip } from './slip.ts';
import { soak } from './soak.ts';
import { storm } from './storm.ts';
import type { AnyScenario } from './support/scenario.ts';

export const SCENARIOS: readonly AnyScenario[] = [
  floor,
  immediate,
  discovery,
  flood,
  rush,
  peers,
  draw,
  memory,
  storm,
  soak,
  captcha,
  slip,
  scrape,
  kill,
  carry,
  reconcile,
  cost,
  shards,
];

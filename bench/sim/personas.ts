/** All who try to get more than their share. */
import { farms } from './farm.ts';
import { idSplitters } from './id-splitter.ts';
import { insiders } from './insider.ts';
import type { Persona } from './persona.ts';
import { reRollers } from './re-roller.ts';
import { scalpers } from './scalper.ts';
import { seatBurners } from './seat-burner.ts';
import { sprinters } from './sprinter.ts';

export const PERSONAS: readonly Persona[] = [
  ...sprinters,
  ...reRollers,
  ...idSplitters,
  ...farms,
  ...scalpers,
  ...seatBurners,
  ...insiders,
];

/**
 * The hash slot of a key, by the very function that the client routes it by: CRC16 of what stands
 * between the first braces, modulo 16,384 (Redis Cluster specification, "Key distribution model").
 */
import { createRequire } from 'node:module';

/** Of every Redis Cluster, however many nodes share them. */
export const SLOTS = 16_384;

const ofClient = createRequire(import.meta.resolve('ioredis'));

export const slotOf = ofClient('cluster-key-slot') as (key: string) => number;
